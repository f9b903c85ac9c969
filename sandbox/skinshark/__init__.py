"""SkinShark's rules."""
