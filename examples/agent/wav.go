package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/zaf/g711"
)

// The formats of a WAV file that are read.
const (
	linear = 1
	mulaw  = 7
)

// sound is what the header of a WAV file says.
type sound struct {
	format, channels, bits uint16
	rate                   uint32
}

// readWAV returns the file as mu-law.
func readWAV(name string) ([]byte, error) {
	file, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return decodeWAV(file)
}

// decodeWAV goes through the chunks of a RIFF file: a name of four bytes, a length of four, and
// as many bytes, filled up to an even number.
func decodeWAV(file []byte) ([]byte, error) {
	const riff, header = 12, 8
	if len(file) < riff || string(file[:4]) != "RIFF" || string(file[8:riff]) != "WAVE" {
		return nil, errors.New("it is no WAV file")
	}
	var s sound
	for rest := file[riff:]; len(rest) >= header; {
		name, size := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:]))
		body := rest[header:min(header+size, len(rest))]
		switch name {
		case "fmt ":
			if len(body) < 16 {
				return nil, errors.New("its header is too short")
			}
			s = sound{
				format: binary.LittleEndian.Uint16(body), channels: binary.LittleEndian.Uint16(body[2:]),
				rate: binary.LittleEndian.Uint32(body[4:]), bits: binary.LittleEndian.Uint16(body[14:]),
			}
		case "data":
			return s.encode(body)
		}
		rest = rest[min(header+size+size%2, len(rest)):]
	}
	return nil, errors.New("it has no sound")
}

func (s sound) encode(data []byte) ([]byte, error) {
	const rate = 8000
	switch {
	case s.channels != 1 || s.rate != rate:
		return nil, fmt.Errorf("it has %d channels and %d samples a second: expected 1 and %d", s.channels, s.rate, rate)
	case s.format == mulaw:
		return data, nil
	case s.format == linear && s.bits == 16:
		return g711.EncodeUlaw(data), nil
	}
	return nil, fmt.Errorf("it has format %d with %d bits: expected 16 bits or mu-law", s.format, s.bits)
}
