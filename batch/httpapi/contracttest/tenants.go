package contracttest

// tenantStories ask as one organisation for what belongs to another. The answer is that to an id that
// nobody has, word for word.
func tenantStories(Harness) []story {
	rows := []row{
		{"Created", create(), created(nil).save("batch", "id")},
		{"Called", get(batches + "/<batch>"), answers(200, fields{"counts.completed": "1"}).until().
			save("recipient", "recipients.0.id").save("call", "recipients.0.agent_call_id")},
		// Read anew: a cursor is from before the recipients that stand beside it were read.
		{"Settled", get(batches + "/<batch>"), answers(200, nil).save("cursor", "cursor")},
		{"Theirs", post(batches, body(waiting(), set("agent_id", `"<other_agent>"`), from("other_number"))).as(other),
			created(nil).save("theirs", "id")},
	}
	for _, c := range []struct {
		name string
		send func(batch, recipient, call string) request
	}{
		{"Read", func(b, _, _ string) request { return get(batches + "/" + b) }},
		{"Patch", func(b, _, _ string) request { return patch(batches+"/"+b, `{"target_concurrency_limit":1}`) }},
		{"Cancel", func(b, _, _ string) request { return post(batches + "/" + b + "/cancel") }},
		{"Retry", func(b, _, _ string) request { return post(batches + "/" + b + "/retry") }},
		{"Pause", func(b, _, _ string) request { return post(batches + "/" + b + "/pause") }},
		{"Resume", func(b, _, _ string) request { return post(batches + "/" + b + "/resume") }},
		{"Recipients", func(b, _, _ string) request { return get(batches + "/" + b + "/recipients") }},
		{"Recipient", func(b, r, _ string) request { return get(batches + "/" + b + "/recipients/" + r) }},
		{"Attempts", func(b, r, _ string) request { return get(batches + "/" + b + "/recipients/" + r + "/calls") }},
		{"Results", func(b, _, _ string) request { return get(batches + "/" + b + "/results") }},
		{"Events", func(b, _, _ string) request { return get(batches + "/" + b + "/events") }},
		{"Call", func(_, _, c string) request { return get("/agents/calls/" + c) }},
		{"CancelCall", func(_, _, c string) request { return post("/agents/calls/" + c + "/cancel") }},
		{"RecipientOfTheirOwnBatch", func(_, r, _ string) request { return get(batches + "/<theirs>/recipients/" + r) }},
	} {
		rows = append(rows,
			row{c.name + "Unknown", c.send("acb_0", "acr_0", "call_0").as(other), refused(404, "not_found").save(c.name, "message")},
			row{c.name, c.send("<batch>", "<recipient>", "<call>").as(other),
				refused(404, "not_found").and(fields{"message": `"<` + c.name + `>"`, "title": present, "errors": absent})})
	}
	rows = append(rows,
		row{"NotInTheirList", get(batches + "?limit=100").as(other), answers(200, nil).lacking("<batch>")},
		row{"NoCursorForTheirList", get(batches + "?starting_after=<batch>").as(other), invalid("starting_after")},
		row{"NoCursorEither", get(batches + "?ending_before=<batch>").as(other), invalid("ending_before")},
		row{"NoCallsOfIt", get("/agents/calls?batch_id=<batch>").as(other), page("")},
		row{"NoCallsOfTheAgent", get("/agents/calls?agent_id=<agent>&limit=100").as(other), answers(200, nil).lacking("<call>")},
		row{"NoCursorForCalls", get("/agents/calls?batch_id=<theirs>&starting_after=<call>").as(other), invalid("starting_after")},
		row{"Unchanged", get(batches + "/<batch>"), answers(200, fields{"cursor": `"<cursor>"`, "status": `"completed"`})},
	)
	ids := []row{
		{"Dots", get(batches + "/.."), refused(404, "not_found")},
		{"NUL", get(batches + "/%00"), refused(404, "not_found")},
		{"Slash", get(batches + "/a%2fb"), refused(404, "not_found")},
		{"Unicode", get(batches + "/%C3%BC"), refused(404, "not_found")},
		{"InvalidUTF8", get(batches + "/%ff"), refused(404, "not_found")},
		{"Quote", get(batches + "/'%20OR%201=1"), refused(404, "not_found")},
		{"Space", get(batches + "/%20"), refused(404, "not_found")},
		{"Call", get("/agents/calls/%00"), refused(404, "not_found")},
		{"CancelNUL", post(batches + "/%00/cancel"), refused(404, "not_found")},
		{"RecipientIndexTooLarge", get(batches + "/acb_0/recipients/acr_0000000000000000000000"), refused(404, "not_found")},
	}
	return []story{{"Isolation", rows}, {"StrangeIDs", ids}}
}

func methodStories(Harness) []story {
	var rows []row
	for _, p := range []struct {
		name, path, allow string
		refused           []string
	}{
		{"Batches", batches, "GET, HEAD, POST", []string{"PUT", "PATCH", "DELETE", "OPTIONS"}},
		{"Batch", batches + "/acb_0", "GET, HEAD, PATCH", []string{"PUT", "POST", "DELETE", "OPTIONS"}},
		{"Cancel", batches + "/acb_0/cancel", "POST", []string{"GET", "HEAD", "PUT", "DELETE"}},
		{"Retry", batches + "/acb_0/retry", "POST", []string{"GET"}},
		{"Pause", batches + "/acb_0/pause", "POST", []string{"GET"}},
		{"Resume", batches + "/acb_0/resume", "POST", []string{"GET"}},
		{"Recipients", batches + "/acb_0/recipients", "GET, HEAD", []string{"POST", "DELETE"}},
		{"Recipient", batches + "/acb_0/recipients/acr_0", "GET, HEAD", []string{"POST", "PATCH"}},
		{"Attempts", batches + "/acb_0/recipients/acr_0/calls", "GET, HEAD", []string{"POST"}},
		{"Results", batches + "/acb_0/results", "GET, HEAD", []string{"POST"}},
		{"BatchEvents", batches + "/acb_0/events", "GET, HEAD", []string{"POST"}},
		{"Calls", "/agents/calls", "GET, HEAD", []string{"POST", "DELETE"}},
		{"Events", "/agents/calls/events", "GET, HEAD", []string{"POST"}},
		{"Call", "/agents/calls/call_0", "GET, HEAD", []string{"POST", "DELETE"}},
		{"CancelCall", "/agents/calls/call_0/cancel", "POST", []string{"GET"}},
		{"Document", "/openapi.yaml", "GET, HEAD", []string{"POST", "PUT"}},
	} {
		for _, method := range p.refused {
			rows = append(rows, row{
				p.name + method, request{method: method, path: p.path},
				want{status: 405, code: codeUnlessHead(method)}.withHeader("Allow", p.allow),
			})
		}
	}
	gone := refused(404, "not_found")
	return []story{{"NotAllowed", rows}, {"Paths", []row{
		{"Unknown", get("/agents/calls/batches/acb_0/nothing"), gone},
		{"UnknownOfACall", get("/agents/calls/call_0/nothing"), gone},
		{"UnknownActionOnACall", post("/agents/calls/call_0/nothing"), gone},
		{"Agents", get("/agents"), gone},
		{"Root", get("/"), gone},
		{"SlashBehind", get(batches + "/"), gone},
		{"SlashBehindABatch", get(batches + "/acb_0/"), gone},
		{"TwoSlashes", get("//agents/calls/batches"), gone},
		{"TwoSlashesWithin", get("/agents//calls/batches"), gone},
		{"DotsWithin", get("/agents/x/../calls/batches"), gone},
		{"OtherCase", get("/Agents/Calls/Batches"), gone},
		{"OtherVersion", get("/v1/agents/calls/batches"), gone},
		{"PostToNothing", post("/agents/batches", "{}"), gone},
	}}}
}

// codeUnlessHead is what the body says, which an answer to HEAD has not.
func codeUnlessHead(method string) string {
	if method == "HEAD" {
		return ""
	}
	return "method_not_allowed"
}
