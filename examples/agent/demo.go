package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// demo is the other side of a call, as package bridge would be: it says something, and
// waits until it hears the same, or, from an agent with a prompt, its end.
func demo(ctx context.Context, url, token string) error {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	//nolint:bodyclose // there is no need to, says Dial
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	said := bytes.Repeat([]byte{0x2a}, 160)
	for _, m := range []message{
		{Event: "connected"},
		{Event: "start", StreamSid: "MZ0", Start: &start{CallSid: "ac_demo"}},
		{Event: "media", StreamSid: "MZ0", Media: &media{Payload: said}},
	} {
		if err := wsjson.Write(ctx, conn, m); err != nil {
			return err
		}
	}
	return listen(ctx, conn, said)
}

func listen(ctx context.Context, conn *websocket.Conn, said []byte) error {
	heard := 0
	for {
		var m message
		if err := wsjson.Read(ctx, conn, &m); err != nil {
			return hungUp(err, heard)
		}
		switch {
		case m.Event == "mark": // this side plays nothing, so it is heard at once
			if err := wsjson.Write(ctx, conn, m); err != nil {
				return err
			}
		case m.Event == "media" && m.Media == nil:
			return errors.New("the agent sent media without any")
		case m.Event == "media" && bytes.Equal(m.Media.Payload, said):
			fmt.Println("heard what was said")
			return wsjson.Write(ctx, conn, message{Event: "stop", StreamSid: m.StreamSid})
		case m.Event == "media":
			heard += len(m.Media.Payload)
		}
	}
}

// hungUp is the end that an agent with a prompt makes.
func hungUp(err error, heard int) error {
	if websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		return err
	}
	if heard == 0 {
		return errors.New("the agent hung up without a word")
	}
	const second = 8000
	fmt.Printf("heard %.1f s, then the agent hung up\n", float64(heard)/second)
	return nil
}
