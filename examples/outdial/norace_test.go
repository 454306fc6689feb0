//go:build !race

package main

// raceDetector says that this process runs several times as slow. The programs that it starts do not.
const raceDetector = false
