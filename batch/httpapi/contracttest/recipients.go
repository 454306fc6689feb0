package contracttest

import (
	"fmt"
	"strings"
)

func recipientStories(Harness) []story {
	return []story{
		{"List", listRows()},
		{"Number", numberRows()},
		{"Metadata", metadataRows()},
		{"MetadataVerbatim", verbatimRows()},
	}
}

func listRows() []row {
	return []row{
		{"Missing", create(leaveOut("recipients")), invalid("recipients")},
		{"Empty", create(set("recipients", "[]")), invalid("recipients")},
		{"Null", create(set("recipients", "null")), invalid("recipients")},
		{"Object", create(set("recipients", `{"to_number":"+14155550100"}`)), invalid("recipients")},
		{"Text", create(set("recipients", `"+14155550100"`)), invalid("recipients")},
		{"OfText", create(set("recipients", `["+14155550100"]`)), invalid("recipients[0]")},
		{"OfNull", create(set("recipients", `[{"to_number":"+14155550100"},null]`)), invalid("recipients[1]")},
		{"Most", create(waiting(), to(maxRecipients)), created(fields{
			"total_calls_scheduled": "5000", "counts.queued": "5000", "recipients": absent,
		}).save("batch", "id")},
		{"MostReadBack", get(batches + "/<batch>"), answers(200, fields{
			"recipients.4999.to_number": `"+14155554999"`, "recipients.4999.waiting.position": "4999", "recipients.5000": absent,
		})},
		{"TooMany", create(to(maxRecipients + 1)), invalid("recipients")},
		{"TwiceIsTwoCalls", create(waiting(), set("recipients",
			`[{"to_number":"+14155550100"},{"to_number":"+14155550100"}]`)), created(fields{"total_calls_scheduled": "2"})},
	}
}

func numberRows() []row {
	rows := []row{
		{"Shortest", create(waiting(), number(`"+1234567"`)), created(nil)},
		{"Longest", create(waiting(), number(`"+123456789012345"`)), created(nil)},
		{"Missing", create(of("{}")), invalid("recipients[0].to_number")},
	}
	rows = append(rows, each(map[string]string{
		"Null": "null", "Number": "14155550100", "Empty": `""`, "NoPlus": `"14155550100"`, "PlusOnly": `"+"`,
		"TooShort": `"+123456"`, "TooLong": `"+1234567890123456"`, "CountryZero": `"+0123456789"`, "Spaces": `"+1 415 555 0100"`,
		"Hyphens": `"+1-415-555-0100"`, "Brackets": `"+1(415)5550100"`, "SpaceInFront": `" +14155550100"`,
		"LineBehind": `"+14155550100\n"`, "NUL": `"+14155550100\u0000"`, "Letters": `"+1415555CALL"`,
		"TwoPluses": `"++14155550100"`, "DoubleZero": `"0014155550100"`, "Extension": `"+14155550100;ext=1"`,
		"URI": `"tel:+14155550100"`, "ArabicDigits": `"+١٤١٥٥٥٥٠١٠٠"`, "FullWidthPlus": `"＋14155550100"`,
		"Object": `{"number":"+14155550100"}`,
	}, func(value string) (request, want) { return create(number(value)), invalid("recipients[0].to_number") })...)
	return append(rows, row{"TheOneThatIsWrong", create(set("recipients", strings.Replace(people(50, ""), "+14155550041", "41", 1))),
		invalid("recipients[41].to_number")})
}

func metadataRows() []row {
	const path = "recipients[0].metadata"
	// {"k":"…"} around so many letters
	sized := func(n int) string { return `{"k":` + letters(n-len(`{"k":""}`)) + `}` }
	return []row{
		{"Empty", create(waiting(), metadata("{}")), created(nil)},
		{"Null", create(waiting(), metadata("null")), created(nil)},
		{"Array", create(metadata("[]")), invalid(path)},
		{"Text", create(metadata(`"{}"`)), invalid(path)},
		{"Number", create(metadata("1")), invalid(path)},
		{"Boolean", create(metadata("true")), invalid(path)},
		{"Largest", create(waiting(), metadata(sized(maxMetadata))), created(nil).save("batch", "id")},
		{"LargestReadBack", get(batches + "/<batch>"), answers(200, fields{"recipients.0.metadata": sized(maxMetadata)})},
		{"TooLarge", create(metadata(sized(maxMetadata + 1))), invalid(path)},
		{"DuplicateKey", create(metadata(`{"a":1,"a":2}`)), invalid(path)},
		{"DuplicateKeyWithin", create(metadata(`{"a":[{"b":1,"c":2,"b":3}]}`)), invalid(path)},
		{"NullWithin", create(waiting(), metadata(`{"a":null}`)), created(nil)},
		{"KeysThatDifferInCase", create(waiting(), metadata(`{"name":1,"Name":2,"to_number":3}`)), created(nil)},
	}
}

// verbatimRows read metadata back. Only white space between tokens may have changed.
func verbatimRows() []row {
	rows := make([]row, 0)
	for i, c := range []struct{ name, value string }{
		{"BigNumber", `{"n":12345678901234567890123}`},
		{"ManyDigits", `{"n":0.1000000000000000055511151231257827,"m":1.10}`},
		{"Exponent", `{"n":1E400,"m":-0,"o":1e-9}`},
		{"Order", `{"z":1,"a":2,"m":{"y":1,"b":2}}`},
		{"Unicode", `{"ключ":"żółw 🐢"}`},
		{"Escapes", `{"s":"\u00e9\ud83d\ude00\/\"\\\b"}`},
		{"NUL", `{"s":"a\u0000b","k\u0000":1}`},
		{"Markup", `{"s":"<a href='x'>&amp;\u003c"}`},
		{"LineSeparators", "{\"s\":\"\u2028\u2029\"}"},
		{"EmptyKey", `{"":""}`},
		{"Nested", `{"a":[[],{},[{"b":[null,true,false]}]]}`},
		{"Deep", `{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`},
	} {
		id := fmt.Sprintf("batch%d", i)
		rows = append(rows,
			row{c.name, create(waiting(), metadata(c.value)), created(nil).save(id, "id")},
			row{c.name + "ReadBack", get(batches + "/<" + id + ">"), answers(200, fields{"recipients.0.metadata": c.value}).
				save("recipient", "recipients.0.id")},
			row{c.name + "OfTheRecipient", get(batches + "/<" + id + ">/recipients/<recipient>"),
				answers(200, fields{"metadata": c.value})},
		)
	}
	return rows
}

func scheduleStories(Harness) []story {
	const field = "scheduled_at"
	accepted := []row{
		{"UTC", create(waiting(), set(field, `"<soon>"`)), created(fields{field: `"<soon>"`, "status": `"pending"`})},
		{"Offset", create(waiting(), set(field, `"<soon_east>"`)), created(fields{field: `"<soon>"`})},
		{"Fraction", create(waiting(), set(field, `"<soon_minute>07.250000Z"`)), created(fields{field: `"<soon_minute>07.25Z"`})},
		{"Microseconds", create(waiting(), set(field, `"<soon_minute>07.000001Z"`)),
			created(fields{field: `"<soon_minute>07.000001Z"`})},
		{"UnknownLocalOffset", create(waiting(), set(field, `"<soon_minute>07-00:00"`)), created(fields{field: `"<soon_minute>07Z"`})},
		{"Latest", create(waiting(), set(field, `"<latest>"`)), created(fields{field: `"<latest>"`})},
		{"IsWaitedFor", create(set(field, `"<soon>"`)), created(nil).save("batch", "id")},
		{"IsTheReason", get(batches + "/<batch>"), answers(200, fields{
			"waiting.reason": `"scheduled"`, "waiting.until": `"<soon>"`, "recipients.0.status": `"queued"`, "admitted_at": absent,
		})},
		{"Cancelled", post(batches + "/<batch>/cancel"), answers(200, fields{"status": `"cancelled"`})},
	}
	rejected := each(map[string]string{
		"Past": `"<past>"`, "TooLate": `"<too_late>"`, "LongAgo": `"1969-12-31T23:59:59Z"`, "YearZero": `"0000-01-01T00:00:00Z"`,
		"ZeroTime": `"0001-01-01T00:00:00Z"`, "Far": `"9999-12-31T23:59:59Z"`, "Null": "null", "Empty": `""`, "Epoch": "1900000000",
		"Object": `{"at":"<soon>"}`, "DateOnly": `"<tomorrow>"`, "NoOffset": `"<tomorrow>T12:00:00"`, "NoSeconds": `"<tomorrow>T12:00Z"`,
		"Space": `"<tomorrow> 12:00:00Z"`, "LowerT": `"<tomorrow>t12:00:00Z"`, "LowerZ": `"<tomorrow>T12:00:00z"`,
		"DecimalComma": `"<tomorrow>T12:00:00,5Z"`, "EmptyFraction": `"<tomorrow>T12:00:00.Z"`, "LeapSecond": `"<tomorrow>T12:00:60Z"`,
		"Minute60": `"<tomorrow>T12:60:00Z"`, "Hour24": `"<tomorrow>T24:00:00Z"`, "Offset24": `"<tomorrow>T12:00:00+24:00"`,
		"OffsetMinute60": `"<tomorrow>T12:00:00+01:60"`, "ShortOffset": `"<tomorrow>T12:00:00+01"`,
		"NoColon": `"<tomorrow>T12:00:00+0100"`, "OneDigitHour": `"<tomorrow>T9:00:00Z"`, "Zone": `"<tomorrow>T12:00:00 UTC"`,
		"February30": `"2028-02-30T12:00:00Z"`, "SpaceAround": `" <soon>"`, "TextBehind": `"<soon>x"`, "NULBehind": `"<soon>\u0000"`,
	}, func(value string) (request, want) { return create(set(field, value)), invalid(field) })
	return []story{{"Accepted", accepted}, {"Refused", rejected}}
}
