"""Two arms, the worse one noisy: what a gate makes of its lucky draws, and what helps."""
