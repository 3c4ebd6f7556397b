"""Arrays and gradients of the frameworks that targets are written in, behind one interface."""
