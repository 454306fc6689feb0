package sip_test

import (
	"testing"
	"time"

	msg "github.com/emiago/sipgo/sip"
	"go.uber.org/goleak"
)

// t1 makes 64*T1, which much has to be waited for, less than seven seconds.
const t1 = 100 * time.Millisecond

func TestMain(m *testing.M) {
	msg.SetTimers(t1, 4*t1, 5*t1)
	goleak.VerifyTestMain(m)
}
