// The page is whole without this script, which only adds a shortcut: "/" goes to the first field of a form.
document.addEventListener("keydown", (event) => {
  const field = document.querySelector("input[type=search]");
  if (event.key === "/" && field && !/^(input|select|textarea)$/i.test(event.target.tagName)) {
    event.preventDefault();
    field.focus();
  }
});
