"""A listener's year as one HTML file, and figures in words.

Import `page.page` and `year.year_of`: importing them here would load Jinja and SQLAlchemy for every command.
"""
