"""The live feeds of prices and bids: Server-Sent Events of what changed on the market."""
