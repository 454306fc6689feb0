package sip_test

import (
	"flag"
	"testing"
	"time"

	msg "github.com/emiago/sipgo/sip"
	"go.uber.org/goleak"
)

// t1 makes 64*T1, which much has to be waited for, less than seven seconds.
const t1 = 100 * time.Millisecond

// Most of these tests wait for something, so they are worth more at once than there are processors.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	msg.SetTimers(t1, 4*t1, 5*t1)
	goleak.VerifyTestMain(m)
}
