package contracttest

func csvStories(Harness) []story {
	const file = "to_number,name,plan\n+14155550100,Ada,gold\n+14155550101,\"Bob, jr.\",\n"
	return []story{{"File", []row{
		{"Created", createCSV("paused=true", file), created(fields{
			"name": `"csv"`, "total_calls_scheduled": "2", "target_concurrency_limit": "<half>", "paused_at": present,
		}).save("batch", "id")},
		{"ReadBack", get(batches + "/<batch>"), answers(200, fields{
			"recipients.0.to_number": `"+14155550100"`, "recipients.0.metadata": `{"name":"Ada","plan":"gold"}`,
			"recipients.1.metadata": `{"name":"Bob, jr.","plan":""}`,
		})},
		{"EveryField", createCSV("paused=true&target_concurrency_limit=2&weight=3&ringing_timeout_seconds=30"+
			"&max_call_duration_minutes=9&scheduled_at=<soon>", file), created(fields{
			"target_concurrency_limit": "2", "weight": "3", "ringing_timeout_seconds": "30", "max_call_duration_minutes": "9",
			"scheduled_at": `"<soon>"`,
		})},
		{"Region", post(batches+"?name=csv&agent_id=<agent>&from_number_id=<sip>&region=EU&paused=true", file).
			instead("Content-Type: text/csv").version(secondVersion), created(fields{"region": `"EU"`})},
		{"WithCharset", createCSV("paused=true", file).instead("Content-Type: text/csv; charset=UTF-8"), created(nil)},
		{"Header", createCSV("paused=true", file).instead("Content-Type: text/csv; header=present"), created(nil)},
		{"Semicolons", createCSV("paused=true", "\ufeffname;Phone\r\nAda;+14155550100\r\n"),
			created(fields{"total_calls_scheduled": "1"})},
		{"NumbersOnly", createCSV("paused=true", "to_number\n+14155550100"), created(fields{"total_calls_scheduled": "1"})},
		{"AddPlus", createCSV("paused=true&add_plus=true", "to_number\n14155550100\n"), created(nil)},
		{"SkipBad", createCSV("paused=true&skip_bad=true", "to_number\n+14155550100\nx\n"),
			created(fields{"total_calls_scheduled": "1"}).withHeader("Outdial-Rows-Skipped", "1")},
		{"Dedupe", createCSV("paused=true&dedupe=true", "to_number\n+14155550100\n+14155550100\n"),
			created(fields{"total_calls_scheduled": "1"}).withHeader("Outdial-Duplicates-Dropped", "1")},
		{"DuplicatesAreKept", createCSV("paused=true", "to_number\n+14155550100\n+14155550100\n"),
			created(fields{"total_calls_scheduled": "2"}).withHeader("Outdial-Duplicates-Dropped", "")},
		{"Key", createCSV("paused=true", file).with("Idempotency-Key: csv-<unique>"), created(nil).saveAs("first")},
		{"KeyAgain", createCSV("paused=true", file).with("Idempotency-Key: csv-<unique>"), created(nil).same("first").
			withHeader("Idempotent-Replayed", "true")},
		{"KeyOfAnotherFile", createCSV("paused=true", file+"+14155550102,,\n").with("Idempotency-Key: csv-<unique>"),
			refused(422, "idempotency_key_reused")},
	}}, {"Refused", []row{
		{"NoPlus", createCSV("", "to_number\n+14155550100\n14155550101\n"), invalid("line 3, column to_number")},
		{"NoNumberColumn", createCSV("", "who,when\na,b\n"), invalid("line 1")},
		{"NoRows", createCSV("", "to_number\n"), refused(400, "invalid_request")},
		{"Empty", createCSV("", ""), refused(400, "invalid_request")},
		{"CellTooMany", createCSV("", "to_number,name\n+14155550100,a,b\n"), refused(400, "invalid_request")},
		{"UnclosedQuote", createCSV("", "to_number,name\n+14155550100,\"a\n"), refused(400, "invalid_request")},
		{"NotUTF8", createCSV("", "to_number,name\n+14155550100,\xff\n"), refused(400, "invalid_request")},
		{"OtherCharset", createCSV("", file).instead("Content-Type: text/csv; charset=latin1"),
			refused(415, "unsupported_media_type")},
		{"RecipientsInTheQuery", createCSV("recipients=x", file), invalid("recipients")},
		{"TwiceInTheQuery", createCSV("name=again", file), invalid("name")},
		{"OtherCaseInTheQuery", createCSV("Weight=2", file), invalid("Weight")},
		{"EmptyInTheQuery", createCSV("weight=", file), invalid("weight")},
		{"TextForANumber", createCSV("weight=two", file), invalid("weight")},
		{"ZerosInFront", createCSV("weight=02", file), invalid("weight")},
		{"FlagInCapitals", createCSV("paused=True", file), invalid("paused")},
		{"FlagAsANumber", createCSV("dedupe=1", file), invalid("dedupe")},
		{"BadEscape", createCSV("weight=%zz", file), invalid("weight")},
		{"InvalidUTF8InTheQuery", createCSV("region=%ff", file).version(secondVersion), invalid("region")},
		{"AllAtOnce", post(batches+"?weight=0", "to_number\nx\n").instead("Content-Type: text/csv"),
			invalid("name", "agent_id", "from_number_id", "line 2, column to_number", "weight")},
	}}}
}

func resultStories(Harness) []story {
	const people = `[{"to_number":"+14155550100","metadata":{"note":"=1+1","n":7}},{"to_number":"+14155550101"}]`
	csv := func(w want) want { return w.withHeader("Content-Type", "text/csv; charset=utf-8") }
	results := batches + "/<batch>/results"
	return []story{{"Results", []row{
		{"Created", create(waiting(), set("recipients", people)), created(nil).save("batch", "id")},
		{"ForSpreadsheets", get(results), csv(answers(200, nil)).containing("to_number,status", "note", "'=1+1", "'+14155550100", "queued").
			saveAs("file")},
		{"ForPrograms", get(results + "?style=programs"), csv(answers(200, nil)).containing("\n+14155550100,", ",=1+1").
			lacking("'")},
		{"StyleUnknown", get(results + "?style=excel"), invalid("style")},
		{"StyleTwice", get(results + "?style=programs&style=programs"), invalid("style")},
		{"Head", head(results), csv(answers(200, nil))},
		{"OfNothing", get(batches + "/acb_0/results"), refused(404, "not_found")},
		{"CanBeDialledAgain", request{method: "POST", path: batches + "?name=again&agent_id=<agent>&from_number_id=<number>&paused=true",
			savedBody: "file"}.instead("Content-Type: text/csv"), created(fields{"total_calls_scheduled": "2"}).save("again", "id")},
		{"WithItsMetadata", get(batches + "/<again>"), answers(200, fields{
			"recipients.0.to_number": `"+14155550100"`, "recipients.0.metadata.note": `"=1+1"`,
		})},
	}}}
}
