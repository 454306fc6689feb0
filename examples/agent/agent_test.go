package main

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wav makes a file of one chunk of sound, after one of another kind.
func wav(format, channels, bits uint16, rate uint32, data []byte) []byte {
	var b bytes.Buffer
	b.WriteString("RIFF\x00\x00\x00\x00WAVEfmt ")
	for _, field := range []any{
		uint32(16), format, channels, rate, rate * uint32(bits) / 8, bits / 8, bits,
	} {
		binary.Write(&b, binary.LittleEndian, field)
	}
	b.WriteString("LIST\x03\x00\x00\x00abc\x00data")
	binary.Write(&b, binary.LittleEndian, uint32(len(data)))
	b.Write(data)
	return b.Bytes()
}

func TestWAV(t *testing.T) {
	got, err := decodeWAV(wav(7, 1, 8, 8000, []byte{1, 2, 3}))
	require.NoError(t, err)
	require.Equal(t, []byte{1, 2, 3}, got)
	got, err = decodeWAV(wav(1, 1, 16, 8000, []byte{0, 0, 0xff, 0x7f}))
	require.NoError(t, err)
	require.Equal(t, []byte{0xff, 0x80}, got)
	for want, file := range map[string][]byte{
		"no WAV file":      []byte("RIFF"),
		"no sound":         []byte("RIFF\x00\x00\x00\x00WAVE"),
		"too short":        []byte("RIFF\x00\x00\x00\x00WAVEfmt \x02\x00\x00\x00\x01\x00"),
		"2 channels":       wav(1, 2, 16, 8000, nil),
		"16000 samples":    wav(1, 1, 16, 16000, nil),
		"format 1 with 8 ": wav(1, 1, 8, 8000, nil),
	} {
		_, err := decodeWAV(file)
		require.ErrorContains(t, err, want)
	}
}

func TestTheDemonstration(t *testing.T) {
	name := filepath.Join(t.TempDir(), "hello.wav")
	require.NoError(t, os.WriteFile(name, wav(7, 1, 8, 8000, make([]byte, 20000)), 0o600))
	require.NoError(t, run(t.Context(), "", "", "secret", true), "what is said is returned")
	require.NoError(t, run(t.Context(), "", name, "", true), "a file is said")
	require.ErrorContains(t, run(t.Context(), "", name+"x", "", true), "no such file")
}

func TestATokenIsAskedFor(t *testing.T) {
	server := httptest.NewServer(&agent{token: "secret", log: slog.New(slog.DiscardHandler)})
	defer server.Close()
	require.Error(t, demo(t.Context(), strings.Replace(server.URL, "http", "ws", 1), "wrong"))
}

func TestAKeyBeginsThePromptAgain(t *testing.T) {
	server := httptest.NewServer(&agent{prompt: make([]byte, 9000), log: slog.New(slog.DiscardHandler)})
	defer server.Close()
	//nolint:bodyclose // there is no need to, says Dial
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(server.URL, "http", "ws", 1), nil)
	require.NoError(t, err)
	defer conn.CloseNow()
	send := func(m message) { require.NoError(t, wsjson.Write(t.Context(), conn, m)) }
	expect := func(event string) (m message) {
		require.NoError(t, wsjson.Read(t.Context(), conn, &m))
		require.Equal(t, event, m.Event)
		require.Equal(t, "MZ1", m.StreamSid)
		return m
	}
	send(message{Event: "connected"})
	send(message{Event: "start", StreamSid: "MZ1", Start: &start{}})
	expect("media")
	expect("media")
	first := expect("mark")
	send(message{Event: "dtmf", DTMF: &dtmf{Digit: "1"}})
	expect("clear")
	expect("media")
	expect("media")
	second := expect("mark")
	send(first) // as clear has it returned
	send(second)
	_, _, err = conn.Read(t.Context())
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
}

func TestMessagesThatLackSomethingDoNoHarm(t *testing.T) {
	server := httptest.NewServer(&agent{log: slog.New(slog.DiscardHandler)})
	defer server.Close()
	//nolint:bodyclose // there is no need to, says Dial
	conn, _, err := websocket.Dial(t.Context(), strings.Replace(server.URL, "http", "ws", 1), nil)
	require.NoError(t, err)
	defer conn.CloseNow()
	for _, event := range []string{"start", "media", "dtmf", "mark", "nonsense", ""} {
		require.NoError(t, wsjson.Write(t.Context(), conn, message{Event: event}))
	}
	said := message{Event: "media", Media: &media{Payload: []byte{1}}}
	require.NoError(t, wsjson.Write(t.Context(), conn, said))
	var m message
	require.NoError(t, wsjson.Read(t.Context(), conn, &m))
	require.Equal(t, said, m, "the call goes on")
}
