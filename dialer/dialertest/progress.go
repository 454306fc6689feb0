package dialertest

import (
	"slices"
	"time"

	"github.com/outdial/outdial/dialer"
)

func progressRules() []rule {
	return []rule{
		{"StagesAreReportedInOrder", "report is called as the call advances, in order", stagesAreReportedInOrder},
		{"EachStageIsReportedOnce", "each stage is reported at most once", eachStageIsReportedOnce},
		{"NothingIsReportedAfterReturn", "report is never called after Dial has returned", nothingIsReportedAfterReturn},
		{"ReportsComeOneAtATime", "report is called from one goroutine at a time", reportsComeOneAtATime},
		{"EveryReportHasAStage", "what is reported is accepted, ringing or connected", everyReportHasAStage},
	}
}

func stagesAreReportedInOrder(tr *trial) {
	for name, w := range tr.every() {
		if stages := w.stages(); !slices.IsSorted(stages) {
			tr.Errorf("%s: reported %v", name, stages)
		}
	}
}

func eachStageIsReportedOnce(tr *trial) {
	for name, w := range tr.every() {
		stages := w.stages()
		slices.Sort(stages)
		if len(slices.Compact(slices.Clone(stages))) != len(stages) {
			tr.Errorf("%s: reported %v", name, stages)
		}
	}
}

// In real time a report that is later still goes unnoticed; in a bubble none does.
func nothingIsReportedAfterReturn(tr *trial) {
	calls := tr.every()
	tr.letTimePass()
	for name, w := range calls {
		w.mu.Lock()
		if len(w.late) > 0 {
			tr.Errorf("%s: %v was reported after the return", name, w.late[0].Stage)
		}
		w.mu.Unlock()
	}
}

// letTimePass waits for what must not happen. There is no signal for that.
func (tr *trial) letTimePass() {
	timer := time.NewTimer(100 * time.Millisecond) //nolint:mnd // in real time, every run pays for it
	if tr.Bubble {
		timer.Reset(long)
	}
	<-timer.C
}

func reportsComeOneAtATime(tr *trial) {
	for name, w := range tr.every() {
		if w.overlap.Load() {
			tr.Errorf("%s: a report came while another was under way", name)
		}
	}
}

func everyReportHasAStage(tr *trial) {
	for name, w := range tr.every() {
		for _, stage := range w.stages() {
			if stage < dialer.Accepted || stage > dialer.Connected {
				tr.Errorf("%s: the stage %d does not exist", name, stage)
			}
		}
	}
}
