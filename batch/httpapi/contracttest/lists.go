package contracttest

import "fmt"

// page wants a page of a list with these ids, by the names under which they were saved.
func page(next string, names ...string) want {
	f := fields{"has_more": "false", "next_page": "null", fmt.Sprintf("data.%d", len(names)): absent}
	if next != "" {
		f["has_more"], f["next_page"] = "true", `"<`+next+`>"`
	}
	for i, name := range names {
		f[fmt.Sprintf("data.%d.id", i)] = `"<` + name + `>"`
	}
	return answers(200, f)
}

func batchListStories(Harness) []story {
	mine := create(waiting(), set("agent_id", `"<second_agent>"`))
	list := batches + "?agent_id=<second_agent>&created_at_gte=<since>"
	rows := []row{
		{"a", mine, created(nil).apart().save("a", "id").save("since", "created_at")},
		{"b", mine, created(nil).apart().save("b", "id")},
		{"c", mine, created(nil).apart().save("c", "id").save("middle", "created_at")},
		{"d", mine, created(nil).apart().save("d", "id")},
		{"e", mine, created(nil).apart().save("e", "id").save("until", "created_at")},
		{"OneIsCancelled", post(batches + "/<b>/cancel"), answers(200, nil)},
		{"NewestFirst", get(list), page("", "e", "d", "c", "b", "a").and(fields{
			"data.0.status": `"pending"`, "data.3.status": `"cancelled"`, "data.0.recipients": absent, "data.0.waiting": absent,
			"data.0.counts.queued": "1", "data.0.name": `"contract"`,
		})},
		{"FirstPage", get(list + "&limit=2"), page("d", "e", "d")},
		{"SecondPage", get(list + "&limit=2&starting_after=<d>"), page("b", "c", "b")},
		{"LastPage", get(list + "&limit=2&starting_after=<b>"), page("", "a")},
		{"ExactlyOnePage", get(list + "&limit=5"), page("", "e", "d", "c", "b", "a")},
		{"BehindTheLast", get(list + "&starting_after=<a>"), page("")},
		{"BackOnePage", get(list + "&limit=2&ending_before=<a>"), page("c", "c", "b")},
		{"BackToTheFirst", get(list + "&limit=2&ending_before=<c>"), page("", "e", "d")},
		{"BeforeTheFirst", get(list + "&ending_before=<e>"), page("")},
		{"BackPartly", get(list + "&limit=2&ending_before=<d>"), page("", "e")},
		{"Status", get(list + "&status=cancelled"), page("", "b")},
		{"Open", get(list + "&open=true"), page("", "e", "d", "c", "a")},
		{"OpenOrNot", get(list + "&open=false"), page("", "e", "d", "c", "b", "a")},
		{"OpenNeither", get(list + "&open=1"), invalid("open")},
		{"StatusOfNone", get(list + "&status=in_progress"), page("")},
		{"StatusesWithComma", get(list + "&status=cancelled,pending"), page("", "e", "d", "c", "b", "a")},
		{"StatusesRepeated", get(list + "&status=cancelled&status=failed"), page("", "b")},
		{"StatusWithPages", get(list + "&status=pending&limit=2&starting_after=<d>"), page("", "c", "a")},
		{"StatusOfTheCursorIsAnother", get(list + "&status=pending&starting_after=<b>"), page("", "a")},
		{"CreatedFrom", get(batches + "?agent_id=<second_agent>&created_at_gte=<middle>"), page("", "e", "d", "c")},
		{"CreatedUntil", get(list + "&created_at_lte=<middle>"), page("", "c", "b", "a")},
		{"CreatedUntilTheLast", get(list + "&created_at_lte=<until>&limit=1"), page("e", "e")},
		{"CreatedInTheFuture", get(batches + "?created_at_gte=<soon>"), page("")},
		{"NoAgentOfTheName", get(batches + "?agent_id=<unique>"), page("")},
		{"Head", head(list), answers(200, nil)},
		{"CursorOfAnotherAgent", create(waiting()), created(nil).save("foreign", "id")},
		{"IsNone", get(list + "&starting_after=<foreign>"), invalid("starting_after")},
	}
	return []story{{"List", rows}}
}

func recipientListStories(Harness) []story {
	const list = batches + "/<batch>/recipients"
	rows := []row{
		{"Created", create(waiting(), to(25)), created(nil).save("batch", "id")},
		{"TenAtFirst", get(list), answers(200, fields{
			"data.0.to_number": `"+14155550000"`, "data.9.to_number": `"+14155550009"`, "data.10": absent, "has_more": "true",
			"data.0.waiting.position": "0", "data.9.waiting.position": "9", "data.0.waiting.reason": `"paused"`,
		}).save("first", "data.0.id").save("tenth", "next_page")},
		{"TheNextTen", get(list + "?starting_after=<tenth>"), answers(200, fields{
			"data.0.to_number": `"+14155550010"`, "data.9.to_number": `"+14155550019"`, "has_more": "true",
			"data.0.waiting.position": "10",
		}).save("eleventh", "data.0.id").save("twentieth", "next_page")},
		{"TheRest", get(list + "?starting_after=<twentieth>"), answers(200, fields{
			"data.4.to_number": `"+14155550024"`, "data.5": absent, "has_more": "false", "next_page": "null",
		}).save("last", "data.4.id")},
		{"Back", get(list + "?limit=3&ending_before=<eleventh>"), answers(200, fields{
			"data.0.to_number": `"+14155550007"`, "data.2.to_number": `"+14155550009"`, "data.3": absent, "has_more": "true",
		}).save("eighth", "next_page")},
		{"BackFurther", get(list + "?limit=100&ending_before=<eighth>"), answers(200, fields{
			"data.0.id": `"<first>"`, "data.6.to_number": `"+14155550006"`, "data.7": absent, "has_more": "false",
		})},
		{"BeforeTheFirst", get(list + "?ending_before=<first>"), page("")},
		{"BehindTheLast", get(list + "?starting_after=<last>"), page("")},
		{"AllAtOnce", get(list + "?limit=100"), answers(200, fields{"data.24.id": `"<last>"`, "data.25": absent, "has_more": "false"})},
		{"Queued", get(list + "?status=queued&limit=1"), answers(200, fields{"data.0.id": `"<first>"`, "has_more": "true"})},
		{"NoneCompleted", get(list + "?status=completed,failed"), page("")},
		{"NoneBusy", get(list + "?end_reason=dial_busy"), page("")},
		{"StatusUnknown", get(list + "?status=pending"), invalid("status")},
		{"EndReasonUnknown", get(list + "?end_reason=voicemail"), invalid("end_reason")},
		{"One", get(list + "/<last>"), answers(200, fields{
			"id": `"<last>"`, "to_number": `"+14155550024"`, "status": `"queued"`, "attempts": "0", "waiting.position": "24",
		})},
		{"HeadOfOne", head(list + "/<last>"), answers(200, nil)},
		{"ItHasNoCalls", get(list + "/<last>/calls"), page("")},
		{"Another", create(waiting()), created(nil).save("another", "id")},
		{"NotOfThatBatch", get(batches + "/<another>/recipients/<last>"), refused(404, "not_found")},
		{"CursorOfAnotherBatch", get(batches + "/<another>/recipients?starting_after=<last>"), invalid("starting_after")},
		{"OneBehindTheLast", get(list + "/acr_0"), refused(404, "not_found")},
		{"OfNothing", get(batches + "/acb_0/recipients"), refused(404, "not_found")},
	}
	return []story{{"List", rows}}
}

// parameterStories are about what no list takes.
func parameterStories(Harness) []story {
	var out []story
	for _, list := range []struct{ name, path string }{
		{"Batches", batches + "?agent_id=<agent>&"},
		{"Recipients", batches + "/<batch>/recipients?"},
		{"Calls", "/agents/calls?batch_id=<batch>&"},
		{"Attempts", batches + "/<batch>/recipients/<recipient>/calls?"},
	} {
		rows := []row{
			{"Created", create(waiting()), created(nil).save("batch", "id")},
			{"Recipient", get(batches + "/<batch>"), answers(200, nil).save("recipient", "recipients.0.id")},
			{"Least", get(list.path + "limit=1"), answers(200, fields{"data": present})},
			{"Most", get(list.path + "limit=100"), answers(200, fields{"data": present})},
			{"Unknown", get(list.path + "page=2&sort=name&q=%00"), answers(200, fields{"data": present})},
			{"LimitTwice", get(list.path + "limit=1&limit=1"), invalid("limit")},
			{"OtherCase", get(list.path + "Limit=1"), invalid("Limit")},
			{"BothCursors", get(list.path + "starting_after=<batch>&ending_before=<batch>"), refused(400, "invalid_request")},
			{"CursorTwice", get(list.path + "starting_after=x&starting_after=x"), invalid("starting_after")},
			{"BadEscape", get(list.path + "starting_after=%zz"), invalid("starting_after")},
			{"InvalidUTF8", get(list.path + "starting_after=%ff"), invalid("starting_after")},
			{"NUL", get(list.path + "starting_after=%00"), invalid("starting_after")},
			{"EmptyCursor", get(list.path + "starting_after="), invalid("starting_after")},
			{"UnknownCursor", get(list.path + "starting_after=<unique>"), invalid("starting_after")},
			{"UnknownCursorBack", get(list.path + "ending_before=<unique>"), invalid("ending_before")},
		}
		rows = append(rows, each(map[string]string{
			"Zero": "0", "Negative": "-1", "Above": "101", "Float": "1.5", "WholeFloat": "1.0", "Text": "all", "Empty": "", "Plus": "%2B5",
			"ZerosInFront": "010", "Spaces": "%2010", "Huge": "99999999999999999999", "Hex": "0x10",
		}, func(value string) (request, want) { return get(list.path + "limit=" + value), invalid("limit") })...)
		out = append(out, story{list.name, rows})
	}
	return append(out, story{"Times", each(map[string]string{
		"DateOnly": "<tomorrow>", "Empty": "", "Epoch": "1900000000", "PlusAsASpace": "<tomorrow>T12:00:00+01:00", "Text": "now",
	}, func(value string) (request, want) {
		return get(batches + "?created_at_gte=" + value + "&created_at_lte=" + value), invalid("created_at_gte", "created_at_lte")
	})}, story{"CallFilters", []row{
		{"Neither", get("/agents/calls"), invalid("batch_id", "agent_id")},
		{"Empty", get("/agents/calls?batch_id="), invalid("batch_id")},
		{"Twice", get("/agents/calls?batch_id=a&batch_id=a"), invalid("batch_id")},
		{"Times", get("/agents/calls?batch_id=a&start_time_gte=x&start_time_lte=y"), invalid("start_time_gte", "start_time_lte")},
		{"BatchStatus", get(batches + "?status=queued"), invalid("status")},
		{"NoStatus", get(batches + "?status="), invalid("status")},
		{"EmptyInAList", get(batches + "?status=pending,"), invalid("status")},
	}})
}
