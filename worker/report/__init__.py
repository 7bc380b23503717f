"""A listener's year as one page that needs nothing else, and the words in which figures are told."""
