// A page is whole without this script. It adds: "/" for the search, a button for light or dark, watched items,
// which stay in this browser, and the price below a chart where the pointer is.
const root = document.documentElement;
const make = (tag, textContent, values) => Object.assign(document.createElement(tag), { textContent, ...values });

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || /^(input|select)$/i.test(event.target.tagName)) return;
  event.preventDefault();
  document.querySelector("input[type=search]").focus();
});

const theme = make("button", "◐", { type: "button", title: "Light or dark" });
theme.setAttribute("aria-label", "Light or dark");
const show = (name) => name && (root.dataset.theme = name);
show(localStorage.getItem("theme"));
theme.onclick = () => {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  localStorage.setItem("theme", (root.dataset.theme || system) === "dark" ? "light" : "dark");
  show(localStorage.getItem("theme"));
};
document.querySelector("header").append(theme);

const watched = () => JSON.parse(localStorage.getItem("watched") || "{}");
const item = document.querySelector("h1[data-item]");
if (item) {
  const star = make("button", "", { type: "button" });
  const label = () => (star.textContent = watched()[item.dataset.item] ? "Watched ✓" : "Watch");
  star.onclick = () => {
    const list = watched();
    if (list[item.dataset.item]) delete list[item.dataset.item];
    else list[item.dataset.item] = location.pathname;
    localStorage.setItem("watched", JSON.stringify(list));
    label();
  };
  label();
  item.append(" ", star);
}
const place = document.querySelector("#watched");
const names = Object.entries(watched());
if (place && names.length) {
  place.append(make("h2", "Watched items"));
  for (const [name, path] of names) place.append(make("a", name, { href: path }));
  place.hidden = false;
}

for (const chart of document.querySelectorAll("svg.prices[data-start]")) {
  const { start, end, low, high, left, right, top: upper, bottom } = chart.dataset;
  const line = chart.querySelector("path.best").getAttribute("d").match(/[MHV][^MHV]*/g) || [];
  const output = make("p", "", { className: "note" });
  chart.after(output);
  chart.addEventListener("pointermove", (event) => {
    const x = ((event.clientX - chart.getBoundingClientRect().left) / chart.clientWidth) * chart.viewBox.baseVal.width;
    let at, y, found;
    for (const part of line) {
      const [first, second] = part.slice(1).split(" ").map(Number);
      if (part[0] === "V") y = first;
      else if (part[0] === "M") y = second;
      else if (at <= x && x <= first) found = y;
      if (part[0] !== "V") at = first;
    }
    const share = Math.min(Math.max((x - left) / (right - left), 0), 1);
    const time = new Date(+start + share * (end - start)).toISOString().slice(0, 16).replace("T", " ");
    const price = +low + ((bottom - found) / (bottom - upper)) * (high - low);
    output.textContent = found === undefined ? `${time} UTC` : `${time} UTC: about ${price.toFixed(2)}`;
  });
}
