package contracttest

import "strings"

func idempotencyStories(Harness) []story {
	key := func(name string) string { return "Idempotency-Key: " + name + "-<unique>" }
	replayed := created(nil).withHeader("Idempotent-Replayed", "true")
	fresh := created(nil).withHeader("Idempotent-Replayed", "")
	reused := refused(422, "idempotency_key_reused")
	return []story{{"Replay", []row{
		{"First", create(to(2)).with(key("replay")), fresh.saveAs("first").save("batch", "id")},
		{"Again", create(to(2)).with(key("replay")), replayed.same("first")},
		{"AllIsDone", get(batches + "/<batch>"), answers(200, fields{"counts.completed": "2"}).until()},
		{"AgainAfterItIsDone", create(to(2)).with(key("replay")), replayed.same("first")},
		{"OrderAndSpaceDoNotMatter", post(batches, ` {"recipients" : `+people(2, "")+
			`, "from_number_id":"<number>","agent_id":"<agent>", "name":"contract","unknown":1} `).with(key("replay")),
			replayed.same("first")},
		{"OtherName", create(to(2), set("name", `"other"`)).with(key("replay")), reused},
		{"OtherRecipients", create(to(3)).with(key("replay")), reused},
		{"OtherLimit", create(to(2), set("target_concurrency_limit", "1")).with(key("replay")), reused},
		{"OtherMetadata", create(set("recipients", people(2, `,"metadata":{}`))).with(key("replay")), reused},
		{"Paused", create(to(2), waiting()).with(key("replay")), reused},
		{"InQuotes", create(to(2)).with(`Idempotency-Key: "replay-<unique>"`), replayed.same("first")},
		{"NoKey", create(to(2)), fresh},
		{"NoKeyAgain", create(to(2)), fresh.lacking(`"<batch>"`)},
	}}, {"AfterAChange", []row{
		{"First", create(waiting(), set("target_concurrency_limit", "3")).with(key("change")), fresh.saveAs("first").save("batch", "id")},
		{"Changed", patch(batches+"/<batch>", `{"target_concurrency_limit":1}`), answers(200, nil)},
		{"Resumed", post(batches + "/<batch>/resume"), answers(200, nil)},
		{"Cancelled", post(batches + "/<batch>/cancel"), answers(200, nil)},
		{"Again", create(waiting(), set("target_concurrency_limit", "3")).with(key("change")), replayed.same("first")},
	}}, {"AfterAChangeOfTheDefault", []row{
		{"First", create(waiting()).with(key("default")), fresh.and(fields{"target_concurrency_limit": "<half>"}).
			saveAs("first").save("batch", "id")},
		{"Changed", patch(batches+"/<batch>", `{"target_concurrency_limit":<limit>}`), answers(200, nil)},
		{"Again", create(waiting()).with(key("default")), replayed.same("first")},
	}}, {"Scope", []row{
		{"First", create(waiting()).with(key("scope")), fresh.save("batch", "id")},
		{"OfAnotherOrganisation", post(batches, body(waiting(), set("agent_id", `"<other_agent>"`), from("other_number"))).as(other).
			with(key("scope")), fresh.lacking(`"<batch>"`)},
		{"AnotherKey", create(waiting()).with(key("scope2")), fresh.lacking(`"<batch>"`)},
		{"InAnotherCase", create(waiting()).with("Idempotency-Key: SCOPE-<unique>"), fresh.lacking(`"<batch>"`)},
		{"OfARefusedRequest", create(set("weight", "0")).with(key("mended")), invalid("weight")},
		{"Mended", create(waiting(), set("weight", "1")).with(key("mended")), fresh},
		{"ReadsTakeNone", get(batches).with(key("scope")), answers(200, nil).withHeader("Idempotent-Replayed", "")},
	}}, {"Form", []row{
		{"Empty", create().with("Idempotency-Key:"), invalid("Idempotency-Key")},
		{"EmptyQuotes", create().with(`Idempotency-Key: ""`), invalid("Idempotency-Key")},
		{"OpenQuote", create().with(`Idempotency-Key: "x`), invalid("Idempotency-Key")},
		{"Twice", create().with(key("a")).with(key("b")), invalid("Idempotency-Key")},
		{"NoASCII", create().with("Idempotency-Key: schlüssel"), invalid("Idempotency-Key")},
		{"Space", create().with("Idempotency-Key: a b"), invalid("Idempotency-Key")},
		{"Longest", create(waiting()).with("Idempotency-Key: " + strings.Repeat("k", 230) + "-<unique>"), fresh},
		{"TooLong", create().with("Idempotency-Key: " + strings.Repeat("k", 256)), invalid("Idempotency-Key")},
		{"BesideOtherMistakes", create(set("weight", "0")).with("Idempotency-Key:"), invalid("Idempotency-Key", "weight")},
	}}}
}
