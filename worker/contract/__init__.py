"""What a player may publish, and how bytes become an event. Knows neither Redis nor SQL."""
