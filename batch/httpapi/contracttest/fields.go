package contracttest

import (
	"strings"
)

func created(f fields) want { return answers(201, f) }

// times writes a JSON string of n letters.
func letters(n int) string { return `"` + strings.Repeat("x", n) + `"` }

func fieldStories(Harness) []story {
	return []story{
		{"Defaults", defaultRows()},
		{"Name", nameRows()},
		{"AgentAndNumber", idRows()},
		{"Target", targetRows("target_concurrency_limit")},
		{"OtherTarget", []row{
			{"AtLeastOne", post(batches, body(waiting(), set("agent_id", `"<other_agent>"`), from("other_number"))).as(other),
				created(fields{"target_concurrency_limit": "1"})},
		}},
		{"Weight", boundRows("weight", "1", "1000", "0", "1001", "1")},
		{"Ring", boundRows("ringing_timeout_seconds", "5", "80", "4", "81", "60")},
		{"Duration", boundRows("max_call_duration_minutes", "1", "480", "0", "481", "480")},
		{"Paused", pausedRows()},
		{"Region", regionRows()},
		{"Unknown", unknownRows()},
		{"Several", severalRows()},
		{"Usage", []row{
			{"LimitReached", post(batches, body(set("agent_id", `"<exhausted_agent>"`), from("exhausted_number"))).as(exhausted),
				refused(402, "usage_limit_reached")},
			{"ReadingGoesOn", get(batches).as(exhausted), answers(200, nil)},
		}},
	}
}

func defaultRows() []row {
	return []row{
		{"Created", create(to(3), waiting()), created(fields{
			"id": present, "name": `"contract"`, "agent_id": `"<agent>"`, "from_number_id": `"<number>"`, "region": present,
			"target_concurrency_limit": "<half>", "status": `"pending"`, "total_calls_scheduled": "3",
			"total_calls_dispatched": "0", "total_calls_finished": "0", "retry_count": "0", "created_at": present,
			"last_updated_at": present, "scheduled_at": absent, "admitted_at": absent, "recipients": absent,
			"weight": "1", "ringing_timeout_seconds": "60", "max_call_duration_minutes": "480",
			"counts.queued": "3", "counts.failed": "0", "cursor": present, "cancelled_at": absent, "paused_at": present,
		}).save("batch", "id").save("created", "created_at")},
		{"ReadBack", get(batches + "/<batch>"), answers(200, fields{
			"id": `"<batch>"`, "created_at": `"<created>"`, "target_concurrency_limit": "<half>", "status": `"pending"`,
			"recipients.0.to_number": `"+14155550000"`, "recipients.2.to_number": `"+14155550002"`, "recipients.3": absent,
			"recipients.0.id": present, "recipients.0.status": `"queued"`, "recipients.0.created_at": `"<created>"`,
			"recipients.0.agent_call_id": absent, "recipients.0.end_reason": absent, "recipients.0.error_message": absent,
			"recipients.0.metadata": absent, "recipients.0.attempts": "0", "counts.queued": "3",
			"recipients.0.waiting.reason": `"paused"`, "recipients.0.waiting.position": "0",
			"recipients.2.waiting.position": "2", "waiting.reason": `"paused"`, "waiting.detail": present,
		})},
		{"HeadOfIt", head(batches + "/<batch>"), answers(200, nil)},
		{"WithoutRecipients", get(batches + "/<batch>?recipients=false"), answers(200, fields{
			"id": `"<batch>"`, "counts.queued": "3", "recipients": absent, "waiting.reason": `"paused"`, "waiting.position": "0",
		})},
		{"WithRecipients", get(batches + "/<batch>?recipients=true"), answers(200, fields{"recipients.2": present})},
		{"RecipientsNeitherTrueNorFalse", get(batches + "/<batch>?recipients=no"), invalid("recipients")},
		{"Everything", create(waiting(), set("name", `"Überraschung 🎉"`), set("target_concurrency_limit", "2"), set("weight", "7"),
			set("ringing_timeout_seconds", "20"), set("max_call_duration_minutes", "15"), set("scheduled_at", `"<soon>"`)),
			created(fields{
				"name": `"Überraschung 🎉"`, "target_concurrency_limit": "2", "weight": "7", "ringing_timeout_seconds": "20",
				"max_call_duration_minutes": "15", "scheduled_at": `"<soon>"`,
			})},
	}
}

func nameRows() []row {
	return []row{
		{"Missing", create(leaveOut("name")), invalid("name")},
		{"Empty", create(set("name", `""`)), invalid("name")},
		{"Null", create(set("name", "null")), invalid("name")},
		{"Number", create(set("name", "7")), invalid("name")},
		{"Object", create(set("name", "{}")), invalid("name")},
		{"Longest", create(waiting(), set("name", letters(1024))), created(fields{"name": letters(1024)})},
		{"TooLong", create(set("name", letters(1025))), invalid("name")},
		{"NUL", create(set("name", `"a\u0000b"`)), invalid("name")},
		{"Control", create(waiting(), set("name", `"a\tb\u0001\u007f"`)), created(fields{"name": present})},
		{"Escaped", create(waiting(), set("name", `"\u00e9\ud83c\udf89\/"`)), created(fields{"name": `"é🎉/"`})},
		{"Markup", create(waiting(), set("name", `"</script>&"`)), created(fields{"name": `"</script>&"`})},
		{"KeyEscaped", create(waiting(), leaveOut("name"), also("n\\u0061me", `"x"`)), created(fields{"name": present})},
	}
}

func idRows() []row {
	var rows []row
	for _, field := range []string{"agent_id", "from_number_id"} {
		rows = append(rows, []row{
			{field + "/Missing", create(leaveOut(field)), invalid(field)},
			{field + "/Empty", create(set(field, `""`)), invalid(field)},
			{field + "/Null", create(set(field, "null")), invalid(field)},
			{field + "/Number", create(set(field, "1")), invalid(field)},
			{field + "/Unknown", create(set(field, `"<unique>"`)), refused(404, "not_found")},
			{field + "/OfAnyShape", create(set(field, `"Ünïcode / ' \" %00"`)), refused(404, "not_found")},
			{field + "/NUL", create(set(field, `"a\u0000"`)), invalid(field)},
			{field + "/TooLong", create(set(field, letters(256))), invalid(field)},
		}...)
	}
	return append(rows,
		row{"AnotherOnesAgent", create(set("agent_id", `"<other_agent>"`)), refused(404, "not_found")},
		row{"AnotherOnesNumber", create(from("other_number")), refused(404, "not_found")},
		row{"InboundNumber", create(from("inbound")), invalid("from_number_id")},
	)
}

func targetRows(field string) []row {
	return []row{
		{"Least", create(waiting(), set(field, "1")), created(fields{field: "1"})},
		{"Most", create(waiting(), set(field, "<limit>")), created(fields{field: "<limit>"})},
		{"AboveTheLimit", create(set(field, "<over>")), invalid(field)},
		{"Zero", create(set(field, "0")), invalid(field)},
		{"Negative", create(set(field, "-1")), invalid(field)},
		{"NegativeZero", create(set(field, "-0")), invalid(field)},
		{"Null", create(set(field, "null")), invalid(field)},
		{"Text", create(set(field, `"2"`)), invalid(field)},
		{"Float", create(set(field, "2.5")), invalid(field)},
		{"WholeFloat", create(set(field, "2.0")), invalid(field)},
		{"Exponent", create(set(field, "2e0")), invalid(field)},
		{"Boolean", create(set(field, "true")), invalid(field)},
		{"Array", create(set(field, "[2]")), invalid(field)},
		{"PastInt32", create(set(field, "2147483648")), invalid(field)},
		{"WrapsAroundInt32", create(set(field, "4294967298")), invalid(field)},
		{"PastInt64", create(set(field, "9223372036854775808")), invalid(field)},
		{"WrapsAroundInt64", create(set(field, "18446744073709551618")), invalid(field)},
	}
}

// boundRows are about an integer with two bounds.
func boundRows(field, least, most, below, above, fallback string) []row {
	return []row{
		{"Least", create(waiting(), set(field, least)), created(fields{field: least})},
		{"Most", create(waiting(), set(field, most)), created(fields{field: most})},
		{"LeftOut", create(waiting()), created(fields{field: fallback})},
		{"Below", create(set(field, below)), invalid(field)},
		{"Above", create(set(field, above)), invalid(field)},
		{"Negative", create(set(field, "-5")), invalid(field)},
		{"Null", create(set(field, "null")), invalid(field)},
		{"Text", create(set(field, `"30"`)), invalid(field)},
		{"Float", create(set(field, "5.5")), invalid(field)},
		{"WholeFloat", create(set(field, "30.0")), invalid(field)},
		{"Exponent", create(set(field, "3e1")), invalid(field)},
		{"Wraps", create(set(field, "18446744073709551626")), invalid(field)},
		{"Overflows", create(set(field, "99999999999")), invalid(field)},
	}
}

func pausedRows() []row {
	return []row{
		{"False", create(set("paused", "false")), created(fields{"paused_at": absent})},
		{"True", create(set("paused", "true")), created(fields{"paused_at": present})},
		{"Null", create(set("paused", "null")), invalid("paused")},
		{"Text", create(set("paused", `"true"`)), invalid("paused")},
		{"Number", create(set("paused", "1")), invalid("paused")},
	}
}

func regionRows() []row {
	sip := create(waiting(), from("sip"), set("region", `"APAC"`))
	return []row{
		{"OfASIPNumber", sip.version(secondVersion), created(fields{"region": `"APAC"`})},
		{"OfAnotherNumber", create(set("region", `"EU"`)).version(secondVersion), invalid("region")},
		{"Unknown", create(from("sip"), set("region", `"MARS"`)).version(secondVersion), invalid("region")},
		{"LowerCase", create(from("sip"), set("region", `"eu"`)).version(secondVersion), invalid("region")},
		{"Empty", create(from("sip"), set("region", `""`)).version(secondVersion), invalid("region")},
		{"Null", create(from("sip"), set("region", "null")).version(secondVersion), invalid("region")},
		{"Number", create(from("sip"), set("region", "1")).version(secondVersion), invalid("region")},
		{"UnknownToTheFirstVersion", sip, created(fields{"region": present})},
	}
}

func unknownRows() []row {
	return []row{
		{"Ignored", create(waiting(), set("webhook_url", `{"a":[null]}`)), created(nil)},
		{"IgnoredInARecipient", create(waiting(), of(`{"to_number":"+14155550100","name":null}`)), created(nil)},
		{"IgnoredQuery", post(batches+"?dry_run=1&name=x", body(waiting())), created(fields{"name": `"contract"`})},
	}
}

func severalRows() []row {
	return []row{
		{"AllAreNamed", create(set("name", `""`), set("recipients", `[{"to_number":"x"},{"to_number":"+14155550100"},{}]`),
			set("target_concurrency_limit", "<over>"), set("weight", "-1"), set("ringing_timeout_seconds", "1"),
			set("max_call_duration_minutes", "500"), set("scheduled_at", `"<past>"`)),
			invalid("name", "recipients[0].to_number", "recipients[2].to_number", "target_concurrency_limit", "weight",
				"ringing_timeout_seconds", "max_call_duration_minutes", "scheduled_at")},
		{"OfEveryKind", create(set("name", "7"), number(`"x"`), set("weight", "1.5"), set("ringing_timeout_seconds", "4")),
			invalid("name", "recipients[0].to_number", "weight", "ringing_timeout_seconds")},
		{"NothingThere", post(batches, "{}"), invalid("name", "agent_id", "from_number_id", "recipients")},
		{"AHundredAtMost", create(set("recipients", "["+strings.Repeat(`{"to_number":"x"},`, 149)+"{}]")),
			refused(400, "invalid_request").and(fields{"errors.99.path": `"recipients[99].to_number"`, "errors.100.path": `""`,
				"errors.101": absent})},
		{"NoNumberIsRepeated", create(number(`"+1415555010x"`)), invalid("recipients[0].to_number").lacking("+1415555010")},
	}
}
