package twiliotest_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests, or what a test has started this program for: see child_test.go.
func TestMain(m *testing.M) {
	if life, ok := os.LookupEnv(childEnv); ok {
		if err := child(life); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}
