package twilio_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// Most of these tests wait for something, so they are worth more at once than there are processors.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
