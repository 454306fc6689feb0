package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer/fake"
	"github.com/outdial/outdial/store"
)

// judge compares what outdial says with what happened.
func (k *killer) judge() {
	books, err := fake.ReadBooks(k.books())
	require.NoError(k.t, err)
	k.judgeBooks(books)
	k.judgeDatabase(books)
	took := k.firstDials(books)
	require.NotEmpty(k.t, took)
	killed, calls, unknown := 0, books.Placed(fake.Scope{}), books.Live(fake.Scope{})
	for _, l := range k.lives {
		if l.killed {
			killed++
		}
	}
	k.t.Logf("%d processes, %d killed; %d batches; %d calls placed, %d of them lost with their process",
		len(k.lives), killed, len(k.files), calls, unknown)
	k.t.Logf("from the start of a process to its first call, of %d that placed one: median %v, longest %v",
		len(took), took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	// Far above what it takes, since the machine may be busy: the figure above is the result.
	require.Less(k.t, took[len(took)-1], 20*time.Second)
}

// judgeBooks finds whoever was called twice, and too many at once.
func (k *killer) judgeBooks(books fake.Books) {
	require.Empty(k.t, books.DoubleRings(), "an attempt rang twice")
	require.Empty(k.t, books.DoublePlaced(), "an attempt was placed twice")
	placed := map[string]int{}
	for _, e := range books.Entries {
		if e.Event == fake.Placed {
			placed[e.Recipient]++
			require.Equal(k.t, 1, placed[e.Recipient], "recipient %s was called twice, without a retry", e.Recipient)
		}
	}
	for _, l := range k.lives {
		if l.killed {
			books = books.WithoutProcess(l.pid, l.died)
		}
	}
	require.Zero(k.t, books.Live(fake.Scope{}))
	require.LessOrEqual(k.t, books.MostAtOnce(fake.Scope{}), k.most)
	batches := map[string]bool{}
	for _, e := range books.Entries {
		if !batches[e.Batch] {
			batches[e.Batch] = true
			require.LessOrEqual(k.t, books.MostAtOnce(fake.Scope{Batch: e.Batch}), killTarget)
		}
	}
}

// judgeDatabase finds recipients that were lost or are in flight for ever.
func (k *killer) judgeDatabase(books fake.Books) {
	a := &app{env: quietEnv(), cli: &cli{Config: k.path("config.yaml"), DB: k.path("test.db")}}
	s, err := a.openExisting(k.t.Context())
	require.NoError(k.t, err)
	defer func() { require.NoError(k.t, s.Close()) }()
	batches, err := s.local.engine.Batches(k.t.Context(), store.BatchQuery{Org: s.local.org})
	require.NoError(k.t, err)
	require.Len(k.t, batches, len(k.files), "each file has one batch")
	for _, b := range batches {
		delete(k.promised, b.ID)
		require.True(k.t, b.Counts.Over(), "%+v", b.Counts)
		require.Equal(k.t, killRecipients, b.Counts.Scheduled())
		judgeRecipients(k.t, s, b, books)
	}
	require.Empty(k.t, k.promised, "batches that were announced and are gone")
	inFlight, err := s.local.engine.Calls(k.t.Context(), store.CallQuery{Org: s.local.org, InFlight: true})
	require.NoError(k.t, err)
	require.Empty(k.t, inFlight, "slots that leaked")
}

func judgeRecipients(t *testing.T, s *session, b store.Batch, books fake.Books) {
	t.Helper()
	recipients, err := s.local.engine.Recipients(t.Context(), store.RecipientQuery{Org: s.local.org, BatchID: b.ID})
	require.NoError(t, err)
	require.Len(t, recipients, killRecipients)
	for i, r := range recipients {
		require.Equal(t, fmt.Sprintf("+4420794601%02d", i), string(r.To))
		require.True(t, r.Status.Terminal(), "%s is %s", r.ID(), r.Status)
		if r.EndReason != "" && r.EndReason != "error" {
			require.Equal(t, 1, books.Placed(fake.Scope{Recipient: r.ID()}), "%s ended without a call", r.ID())
		}
	}
}

// quietEnv is an environment in which nobody listens.
func quietEnv() env {
	return env{
		stdin: eof{}, stdout: io.Discard, stderr: io.Discard, now: time.Now, pace: 10 * time.Millisecond, exit: func(int) {},
		logAll:  func(*slog.Logger) {},
		signals: func() (<-chan os.Signal, func()) { return nil, func() {} },
		hangups: func() (<-chan os.Signal, func()) { return nil, func() {} },
	}
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
