// Publish a play from Go: go mod init sample && go get github.com/redis/go-redis/v9 github.com/google/uuid, then
// go run publish.go. The tests do not run it.
package main

import (
	"context"
	"encoding/json"
	"log"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

type Song struct {
	Title      string `json:"title"`
	Artist     string `json:"artist"`
	Album      string `json:"album,omitempty"`
	DurationMs int64  `json:"duration_ms,omitempty"`
}

type Play struct {
	V        int    `json:"v"`
	ID       string `json:"id"`
	Type     string `json:"type"`
	Time     string `json:"time"`
	User     string `json:"user"`
	Source   string `json:"source,omitempty"`
	Song     Song   `json:"song"`
	MsPlayed *int64 `json:"ms_played,omitempty"`
}

func main() {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	defer client.Close()

	msPlayed := int64(181200)
	// The song has just ended, and time is when it began. RFC3339 writes the listener's offset, because it is local.
	began := time.Now().Add(-time.Duration(msPlayed) * time.Millisecond)
	// Every try sends the same id, so that a lost reply does not create a second play.
	payload, err := json.Marshal(Play{
		V: 1, ID: uuid.NewString(), Type: "play", Time: began.Format(time.RFC3339), User: "ada",
		Source:   "sample.go/1.0",
		Song:     Song{Title: "Parabola", Artist: "Tool", Album: "Lateralus", DurationMs: 183000},
		MsPlayed: &msPlayed,
	})
	if err != nil {
		log.Fatal(err)
	}
	for attempt := 1; ; attempt++ {
		err = client.XAdd(context.Background(), &redis.XAddArgs{
			Stream: "zik:{events}",
			Values: []any{"event", payload},
		}).Err()
		if err == nil {
			return
		}
		if attempt == 5 {
			log.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond << attempt)
	}
}
