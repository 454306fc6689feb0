package lifecycle

// Next is the switch statement.
var Next = next
