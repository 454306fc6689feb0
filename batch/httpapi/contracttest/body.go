package contracttest

import (
	"fmt"
	"strings"
)

// member is one of a JSON object, its value as JSON.
type member struct{ name, value string }

// change is what makes a request for a batch differ from one in which everything is right.
type change func([]member) []member

// set gives a member another value, or adds it.
func set(name, value string) change {
	return func(ms []member) []member {
		for i := range ms {
			if ms[i].name == name {
				ms[i].value = value
				return ms
			}
		}
		return append(ms, member{name, value})
	}
}

// also adds a member, whether there is one of the name or not.
func also(name, value string) change {
	return func(ms []member) []member { return append(ms, member{name, value}) }
}

func leaveOut(name string) change {
	return func(ms []member) []member {
		for i := range ms {
			if ms[i].name == name {
				return append(ms[:i:i], ms[i+1:]...)
			}
		}
		return ms
	}
}

// waiting has the batch created paused, so that nobody is called.
func waiting() change { return set("paused", "true") }

func from(number string) change { return set("from_number_id", `"<`+number+`>"`) }

// to has so many recipients, each with another number.
func to(n int) change { return set("recipients", people(n, "")) }

// of has one recipient, written as JSON.
func of(recipient string) change { return set("recipients", "["+recipient+"]") }

// number sends the text, which is JSON, as the number of the only recipient.
func number(text string) change { return of(`{"to_number":` + text + `}`) }

// metadata sends it with the only recipient.
func metadata(text string) change { return of(`{"to_number":"+14155550100","metadata":` + text + `}`) }

// body is a request for a batch.
func body(changes ...change) string {
	members := []member{
		{"name", `"contract"`},
		{"agent_id", `"<agent>"`},
		{"from_number_id", `"<number>"`},
		{"recipients", people(1, "")},
	}
	for _, c := range changes {
		members = c(members)
	}
	texts := make([]string, len(members))
	for i, m := range members {
		texts[i] = `"` + m.name + `":` + m.value
	}
	return "{" + strings.Join(texts, ",") + "}"
}

// people is a JSON array of recipients, with more members of each behind its number.
func people(n int, more string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{"to_number":"+1415555%04d"%s}`, i, more)
	}
	return "[" + strings.Join(list, ",") + "]"
}

// create asks for a batch.
func create(changes ...change) request { return post(batches, body(changes...)) }

// createCSV asks for one with a file. The query has more parameters than those required.
func createCSV(query, file string) request {
	path := batches + "?name=csv&agent_id=<agent>&from_number_id=<number>"
	if query != "" {
		path += "&" + query
	}
	return post(path, file).instead("Content-Type: text/csv")
}
