"""What every training run shares: command, loop, folder, card."""
