"""Questions to the published database: of Floorline itself, of users, and of watches."""
