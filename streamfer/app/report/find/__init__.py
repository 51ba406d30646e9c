"""`streamfer find`: the moments of recorded latents that are like another one."""
