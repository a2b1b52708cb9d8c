"""The studio: a descent in the browser, number by number and live; the extra `descend[studio]`."""
