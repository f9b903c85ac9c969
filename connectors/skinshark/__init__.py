"""The SkinShark connector."""
