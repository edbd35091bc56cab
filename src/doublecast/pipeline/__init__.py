"""The stages of a job, each a function over a production folder; they own threads, resume and progress."""
