"""Records as timelines: who showed which expression when, for players, annotators and editors."""
