package contracttest

func authStories(Harness) []story {
	bad := refused(401, "unauthenticated").withHeader("Www-Authenticate", "Bearer")
	good := answers(200, fields{"data": present})
	bare := get(batches).as(nobody)
	return []story{{"Key", []row{
		{"Bearer", get(batches), good},
		{"BearerInAnyCase", bare.with("Authorization: bearer <key>"), good},
		{"XAPIKey", bare.with("X-API-Key: <key>"), good},
		{"BothTheSame", get(batches).with("X-API-Key: <key>"), good},
		{"None", bare, bad},
		{"Unknown", bare.with("Authorization: Bearer <key>x"), bad},
		{"ShortOfIt", bare.with("Authorization: Bearer od_"), bad},
		{"UnknownXAPIKey", bare.with("X-API-Key: x<key>"), bad},
		{"Empty", bare.with("Authorization: Bearer"), bad},
		{"EmptyXAPIKey", bare.with("X-API-Key:"), bad},
		{"OtherScheme", bare.with("Authorization: Basic <key>"), bad},
		{"NoScheme", bare.with("Authorization: <key>"), bad},
		{"TwoWords", bare.with("Authorization: Bearer <key> <key>"), bad},
		{"TwoThatDiffer", get(batches).with("X-API-Key: <other_key>"), bad},
		{"OneOfTwoUnknown", get(batches).with("X-API-Key: x"), bad},
		{"TwoOfOneKind", get(batches).with("Authorization: Bearer <key>"), bad},
		{"InTheQuery", get(batches + "?api_key=<key>&X-API-Key=<key>").as(nobody), bad},
	}}, {"Everywhere", []row{
		{"Create", create().as(nobody), bad},
		{"BeforeTheBody", post(batches, "{").as(nobody), bad},
		{"Read", get(batches + "/acb_0").as(nobody), bad},
		{"Patch", patch(batches+"/acb_0", "{}").as(nobody), bad},
		{"Cancel", post(batches + "/acb_0/cancel").as(nobody), bad},
		{"Retry", post(batches + "/acb_0/retry").as(nobody), bad},
		{"Pause", post(batches + "/acb_0/pause").as(nobody), bad},
		{"Resume", post(batches + "/acb_0/resume").as(nobody), bad},
		{"Recipients", get(batches + "/acb_0/recipients").as(nobody), bad},
		{"Recipient", get(batches + "/acb_0/recipients/acr_0").as(nobody), bad},
		{"Attempts", get(batches + "/acb_0/recipients/acr_0/calls").as(nobody), bad},
		{"Results", get(batches + "/acb_0/results").as(nobody), bad},
		{"BatchEvents", get(batches + "/acb_0/events").as(nobody), bad},
		{"Events", get("/agents/calls/events").as(nobody), bad},
		{"Calls", get("/agents/calls?batch_id=acb_0").as(nobody), bad},
		{"Call", get("/agents/calls/call_0").as(nobody), bad},
		{"CancelCall", post("/agents/calls/call_0/cancel").as(nobody), bad},
		{"BeforeThePath", get("/agents/nothing").as(nobody), bad},
		{"BeforeTheMethod", request{method: "DELETE", path: batches}.as(nobody), bad},
		{"BeforeTheVersion", bare.without("Cartesia-Version"), bad},
	}}}
}

func versionStories(Harness) []story {
	bad := refused(400, "invalid_version")
	good := answers(200, fields{"data": present})
	return []story{{"Header", []row{
		{"First", get(batches).version(firstVersion), good},
		{"Second", get(batches).version(secondVersion), good},
		{"Missing", get(batches).without("Cartesia-Version"), bad},
		{"Empty", get(batches).version(""), bad},
		{"Unknown", get(batches).version("2025-04-16"), bad},
		{"NoDate", get(batches).version("latest"), bad},
		{"Twice", get(batches).with("Cartesia-Version: " + firstVersion), bad},
		{"TwoInOne", get(batches).version(firstVersion + ", " + secondVersion), bad},
		{"InTheQuery", get(batches + "?Cartesia-Version=" + firstVersion).without("Cartesia-Version"), bad},
		{"OfACreation", create().version("2026-03-02"), bad},
		{"BeforeTheBody", post(batches, "{").version("2026-03-02"), bad},
		{"OfWhatIsNotThere", get(batches + "/acb_0").version("2026-03-02"), bad},
		{"OfAChange", post(batches + "/acb_0/cancel").version("2026-03-02"), bad},
		{"OfACall", get("/agents/calls/call_0").version("2026-03-02"), bad},
	}}, {"RequestID", []row{
		{"OfTheClient", get(batches).with("X-Request-Id: 0b8c1c3e-2f6a-4d9a-9c55-0f4c8f1b7a10"), good},
		{"OfTheClientInAnError", get(batches + "/acb_0").with("X-Request-Id: 1b8c1c3e-2f6a-4d9a-9c55-0f4c8f1b7a10"),
			refused(404, "not_found")},
		{"NoUUID", get(batches).with("X-Request-Id: mine"), good},
		{"TraceContextIsTaken", get(batches).
			with("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), good},
	}}}
}
