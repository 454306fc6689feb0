package contracttest

import "strconv"

func callStories(Harness) []story {
	return []story{{"Read", readCallRows()}, {"List", callListRows()}}
}

func readCallRows() []row {
	const people = `[{"to_number":"+14155550100","metadata":{"big":12345678901234567890}},{"to_number":"+14155550101"}]`
	return []row{
		{"Created", create(set("recipients", people)), created(nil).save("batch", "id")},
		{"Done", get(batches + "/<batch>"), answers(200, fields{
			"counts.completed": "2", "recipients.0.status": `"completed"`, "recipients.0.end_reason": present,
			"recipients.0.error_message": absent, "recipients.0.waiting": absent, "recipients.0.attempts": "1",
		}).until().save("a", "recipients.0.agent_call_id").save("b", "recipients.1.agent_call_id").
			save("recipient", "recipients.0.id").save("reason", "recipients.0.end_reason")},
		{"One", get("/agents/calls/<a>"), answers(200, fields{
			"id": `"<a>"`, "agent_id": `"<agent>"`, "status": `"completed"`, "start_time": present, "end_time": present,
			"end_reason": `"<reason>"`, "error_message": absent, "telephony_params.to": `"+14155550100"`, "telephony_params.from": present,
			"telephony_params.direction": `"outbound"`, "batch_id": `"<batch>"`, "recipient_id": `"<recipient>"`, "attempt": "1",
			"carrier": present, "connected_at": present, "metadata": `{"big":12345678901234567890}`, "region": present,
		})},
		{"Over", post("/agents/calls/<a>/cancel"), refused(400, "call_over")},
		{"WithoutMetadata", get("/agents/calls/<b>"), answers(200, fields{"metadata": absent})},
		{"HeadOfOne", head("/agents/calls/<a>"), answers(200, nil)},
		{"OfTheRecipient", get(batches + "/<batch>/recipients/<recipient>/calls"), page("", "a").and(fields{"data.0.metadata": absent})},
		{"Unknown", get("/agents/calls/call_0"), refused(404, "not_found")},
	}
}

// callListRows call one recipient three times, so that the order is known.
func callListRows() []row {
	const list = "/agents/calls?batch_id=<batch>"
	const batch = batches + "/<batch>"
	rows := []row{{"Created", create(from("busy")), created(nil).save("batch", "id")}}
	for i, name := range []string{"a", "b", "c"} {
		if i > 0 {
			rows = append(rows, row{name + "Retried", post(batch + "/retry"), answers(200, nil)})
		}
		rows = append(rows, row{name + "Ended", get(batch), answers(200, fields{
			"counts.failed": "1", "recipients.0.attempts": strconv.Itoa(i + 1),
		}).until().save(name, "recipients.0.agent_call_id")})
	}
	return append(rows, []row{
		{"NewestFirst", get(list), page("", "c", "b", "a").and(fields{"data.2.metadata": absent, "data.0.telephony_params.to": present}).
			save("middle", "data.1.start_time")},
		{"FirstPage", get(list + "&limit=2"), page("b", "c", "b")},
		{"SecondPage", get(list + "&limit=2&starting_after=<b>"), page("", "a")},
		{"Back", get(list + "&limit=1&ending_before=<a>"), page("b", "b")},
		{"BackToTheFirst", get(list + "&limit=2&ending_before=<a>"), page("", "c", "b")},
		{"StartedFrom", get(list + "&start_time_gte=<middle>&limit=100"), page("", "c", "b")},
		{"StartedUntil", get(list + "&start_time_lte=<middle>&limit=100"), page("", "b", "a")},
		{"StartedBetween", get(list + "&start_time_gte=<middle>&start_time_lte=<middle>"), page("", "b")},
		{"OfTheAgent", get(list + "&agent_id=<agent>"), page("", "c", "b", "a")},
		{"OfAnotherAgent", get(list + "&agent_id=<second_agent>"), page("")},
		{"ByAgentAlone", get("/agents/calls?agent_id=<agent>&limit=1"), answers(200, fields{"data.0.agent_id": `"<agent>"`})},
		{"OfNoBatch", get("/agents/calls?batch_id=acb_0"), page("")},
	}...)
}

func cancelCallStories(Harness) []story {
	const call = "/agents/calls/<call>"
	return []story{{"Connected", []row{
		{"Created", create(from("talking")), created(nil).save("batch", "id")},
		{"Talks", get(batches + "/<batch>"), answers(200, fields{
			"counts.started": "1", "status": `"completed"`, "recipients.0.end_reason": absent,
		}).until().save("call", "recipients.0.agent_call_id")},
		{"Started", get(call), answers(200, fields{"status": `"started"`, "connected_at": present, "end_time": absent})},
		{"ArrayForABody", post(call+"/cancel", "[]"), refused(400, "invalid_json")},
		{"Cancelled", post(call + "/cancel"), answers(200, fields{"cancelled": "true"})},
		{"Ended", get(call), answers(200, fields{"status": `"completed"`, "end_reason": `"api_cancelled"`, "end_time": present}).until()},
		{"Completed", get(batches + "/<batch>"), answers(200, fields{
			"counts.completed": "1", "recipients.0.end_reason": `"api_cancelled"`, "recipients.0.agent_call_id": `"<call>"`,
		})},
		{"Repeated", post(call + "/cancel"), answers(200, fields{"cancelled": "true"})},
		{"NotRetried", post(batches + "/<batch>/retry"), answers(200, fields{"retry_count": "0"})},
	}}, {"Ringing", []row{
		{"Created", create(from("ringing")), created(nil).save("batch", "id")},
		{"Rings", get(batches + "/<batch>"), answers(200, fields{"counts.dispatched": "1"}).until().
			save("call", "recipients.0.agent_call_id")},
		{"IsCreated", get(call), answers(200, fields{"status": `"created"`, "connected_at": absent, "end_time": absent})},
		{"Cancelled", post(call+"/cancel", "{}"), answers(200, fields{"cancelled": "true"})},
		{"Ended", get(call), answers(200, fields{"status": `"failed"`, "end_reason": `"api_cancelled"`, "rang_at": present}).until()},
		{"Failed", get(batches + "/<batch>/recipients?end_reason=api_cancelled"), answers(200, fields{"data.0.status": `"failed"`})},
	}}, {"Unknown", []row{
		{"Call", post("/agents/calls/call_0/cancel"), refused(404, "not_found")},
	}}}
}

func eventStories(Harness) []story {
	const stream = batches + "/<batch>/events"
	events := func(n int) want {
		return want{status: 200, events: n}.withHeader("Content-Type", "text/event-stream")
	}
	return []story{{"Stream", []row{
		{"Created", create(waiting(), to(3)), created(nil).save("batch", "id")},
		{"ThePresentState", get(stream), events(4).containing("retry: 1000\n", "event: batch\n", "event: recipient\n", `"batch_id":"<batch>"`).
			lastID("cursor")},
		{"Limited", patch(batches+"/<batch>", `{"target_concurrency_limit":1}`), answers(200, nil)},
		{"OnlyWhatChanged", get(stream).with("Last-Event-ID: <cursor>"),
			events(1).containing("event: batch\n", `"target_concurrency_limit":1`).lacking("event: recipient").lastID("next")},
		{"InTheQuery", get(stream + "?after=<cursor>"), events(1).containing("id: <next>\n", `"target_concurrency_limit":1`)},
		{"TheHeaderWins", get(stream + "?after=<next>").with("Last-Event-ID: <cursor>"), events(1).containing("id: <next>\n")},
		{"Cancelled", post(batches + "/<batch>/cancel"), answers(200, nil)},
		{"TheEnd", get(stream + "?after=<next>"), events(4).containing(`"status":"cancelled"`)},
		{"OfEverything", get("/agents/calls/events?after=<next>"), events(1).containing("event: ")},
		{"Head", head(stream), answers(200, nil).withHeader("Content-Type", "text/event-stream")},
		{"AheadOfEverything", get(stream + "?after=999999999999"), invalid("after")},
	}}, {"Refused", []row{
		{"Created", create(waiting()), created(nil).save("batch", "id")},
		{"NoCursor", get(stream + "?after=x"), invalid("after")},
		{"Negative", get(stream + "?after=-1"), invalid("after")},
		{"Zeros", get(stream + "?after=01"), invalid("after")},
		{"Huge", get(stream + "?after=99999999999999999999"), invalid("after")},
		{"Twice", get(stream + "?after=1&after=1"), refused(400, "invalid_request")},
		{"BadHeader", get(stream).with("Last-Event-ID: x"), invalid("Last-Event-ID")},
		{"OfEverything", get("/agents/calls/events?after=x"), invalid("after")},
		{"OfNothing", get(batches + "/acb_0/events"), refused(404, "not_found")},
	}}}
}

func documentStories(Harness) []story {
	good := want{status: 200}.withHeader("Content-Type", "application/yaml")
	bare := get("/openapi.yaml").as(nobody).without("Cartesia-Version")
	return []story{{"Document", []row{
		{"ForAnybody", bare, good.containing("openapi: 3.0", "/agents/calls/batches:", "error_code")},
		{"WithAKey", get("/openapi.yaml"), good},
		{"WithAWrongKey", bare.with("Authorization: Bearer x"), good},
		{"Head", head("/openapi.yaml"), good},
		{"InAnotherFormat", get("/openapi.json"), refused(404, "not_found")},
	}}}
}
