"""The page that shows a run: before and after of every photo, in one file."""
