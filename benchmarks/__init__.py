"""Side-by-side measurements. They print ratios with their set-up; no test asserts a timing."""
