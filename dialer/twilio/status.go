package twilio

// rank orders what Twilio says of a call: news of a lower rank than what is known is old.
type rank uint8

const (
	isQueued  rank = iota
	isDialled      // initiated
	isRinging
	isUp // in-progress
	isFinal
)

// rankOf reads a status of a callback or of the API, which never says initiated.
func rankOf(status string) (rank, bool) {
	switch status {
	case "queued":
		return isQueued, true
	case "initiated":
		return isDialled, true
	case "ringing":
		return isRinging, true
	case "in-progress", "answered":
		return isUp, true
	case completed, "busy", "no-answer", "failed", canceled:
		return isFinal, true
	}
	return isQueued, false
}

// What a call can be told to be, and then is.
const (
	completed = "completed" // ends any call
	canceled  = "canceled"  // ends one that was not answered, and does nothing to another
)
