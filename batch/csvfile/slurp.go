package csvfile

import (
	"errors"
	"io"
	"strings"
)

// The pieces that a file is read in, in bytes. Each is as long as all before it, within these.
const (
	firstPiece   = 4 << 10
	largestPiece = 1 << 20
)

// readText reads r to its end. While that takes its time, no more is held than what came and a
// piece: a buffer that grows, as that of io.ReadAll, holds all of it twice at every growth. At the
// end it is held twice once.
func readText(r io.Reader) (string, error) {
	var pieces [][]byte
	piece, size := make([]byte, 0, firstPiece), 0
	for {
		n, err := r.Read(piece[len(piece):cap(piece)])
		piece = piece[:len(piece)+n]
		size += n
		if err == nil && len(piece) < cap(piece) {
			continue
		}
		pieces = append(pieces, piece)
		if errors.Is(err, io.EOF) {
			return join(pieces, size), nil
		}
		if err != nil {
			return "", err
		}
		piece = make([]byte, 0, min(size, largestPiece))
	}
}

func join(pieces [][]byte, size int) string {
	var text strings.Builder
	text.Grow(size)
	for _, p := range pieces {
		text.Write(p)
	}
	return text.String()
}
