"""The view's server: what runs in the view process (see `rheed_acquire.view.process` for the other end)."""
