"""The pluggy host: finds plugins, and guards every call into them."""
