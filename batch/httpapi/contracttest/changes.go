package contracttest

func changeStories(Harness) []story {
	return []story{
		{"Cancel", cancelRows()},
		{"CancelOfWhatIsOver", []row{
			{"Created", create(to(2)), created(nil).save("batch", "id")},
			{"Over", get(batches + "/<batch>"), answers(200, fields{"counts.completed": "2", "status": `"completed"`}).until()},
			// Once more: the cursor is from before the recipients were read, who may have ended meanwhile.
			{"Read", get(batches + "/<batch>"), answers(200, fields{"counts.completed": "2"}).
				save("updated", "last_updated_at").save("cursor", "cursor")},
			{"Unchanged", post(batches + "/<batch>/cancel"), answers(200, fields{
				"status": `"completed"`, "last_updated_at": `"<updated>"`, "cursor": `"<cursor>"`, "cancelled_at": absent,
			})},
		}},
		{"CancelWithCallsInFlight", []row{
			{"Created", create(to(3), from("talking"), set("target_concurrency_limit", "1")), created(nil).save("batch", "id")},
			{"OneTalks", get(batches + "/<batch>"), answers(200, fields{
				"counts.started": "1", "counts.queued": "2", "status": `"in_progress"`, "total_calls_dispatched": "1",
				"total_calls_finished": "0", "recipients.0.status": `"started"`, "recipients.1.waiting.reason": `"batch_limit"`,
				"admitted_at": present,
			}).until().save("call", "recipients.0.agent_call_id")},
			{"Cancelled", post(batches + "/<batch>/cancel"), answers(200, fields{
				"status": `"cancelled"`, "counts.started": "1", "counts.cancelled": "2", "total_calls_dispatched": "1",
			})},
			{"TheCallGoesOn", get("/agents/calls/<call>"), answers(200, fields{"status": `"started"`, "end_time": absent})},
			{"ItIsEnded", post("/agents/calls/<call>/cancel"), answers(200, fields{"cancelled": "true"})},
			{"AllIsOver", get(batches + "/<batch>"), answers(200, fields{
				"status": `"cancelled"`, "counts.completed": "1", "counts.cancelled": "2", "total_calls_finished": "1",
			}).until()},
		}},
		{"Pause", pauseRows()},
		{"Bodies", bodyRows()},
	}
}

func cancelRows() []row {
	return []row{
		{"Created", create(waiting(), to(3)), created(nil).save("batch", "id")},
		{"Cancelled", post(batches + "/<batch>/cancel"), answers(200, fields{
			"id": `"<batch>"`, "status": `"cancelled"`, "counts.cancelled": "3", "counts.queued": "0", "total_calls_scheduled": "3",
			"total_calls_dispatched": "0", "total_calls_finished": "0", "cancelled_at": present, "admitted_at": absent, "recipients": absent,
		}).saveAs("cancelled")},
		{"CancelledAgain", post(batches + "/<batch>/cancel"), answers(200, nil).same("cancelled")},
		{"ReadBack", get(batches + "/<batch>"), answers(200, fields{
			"status": `"cancelled"`, "recipients.2.status": `"cancelled"`, "recipients.2.waiting": absent, "waiting": absent,
			"recipients.2.agent_call_id": absent,
		})},
		{"Listed", get(batches + "/<batch>/recipients?status=cancelled"), answers(200, fields{"data.2": present, "has_more": "false"})},
		{"NotRetried", post(batches + "/<batch>/retry"), refused(400, "batch_cancelled")},
		{"NoCalls", get("/agents/calls?batch_id=<batch>"), page("")},
		{"OfNothing", post(batches + "/acb_0/cancel"), refused(404, "not_found")},
	}
}

func pauseRows() []row {
	return []row{
		{"Created", create(to(2)), created(nil).save("done", "id")},
		{"CreatedPaused", create(waiting(), to(2)), created(fields{"paused_at": present, "status": `"pending"`}).save("batch", "id")},
		{"PausedAgain", post(batches + "/<batch>/pause"), answers(200, fields{"paused_at": present, "counts.queued": "2"}).saveAs("paused")},
		{"AndAgain", post(batches + "/<batch>/pause"), answers(200, nil).same("paused")},
		{"OthersAreDialled", get(batches + "/<done>"), answers(200, fields{"counts.completed": "2"}).until()},
		{"StillWaits", get(batches + "/<batch>"), answers(200, fields{
			"status": `"pending"`, "counts.queued": "2", "waiting.reason": `"paused"`, "admitted_at": absent,
		})},
		{"Resumed", post(batches + "/<batch>/resume"), answers(200, fields{"paused_at": absent})},
		{"Dialled", get(batches + "/<batch>"), answers(200, fields{
			"status": `"completed"`, "counts.completed": "2", "paused_at": absent, "waiting": absent,
			"total_calls_dispatched": "2", "total_calls_finished": "2",
		}).until()},
		{"ResumedAgain", post(batches + "/<batch>/resume"), answers(200, fields{"paused_at": absent, "status": `"completed"`})},
		{"PauseOfNothing", post(batches + "/acb_0/pause"), refused(404, "not_found")},
		{"ResumeOfNothing", post(batches + "/acb_0/resume"), refused(404, "not_found")},
	}
}

// bodyRows are about requests that have nothing to say.
func bodyRows() []row {
	rows := []row{{"Created", create(waiting()), created(nil).save("batch", "id")}}
	bad := refused(400, "invalid_json")
	for _, action := range []string{"resume", "pause", "retry", "cancel"} {
		path := batches + "/<batch>/" + action
		rows = append(rows,
			row{action + "/Array", post(path, "[]"), bad},
			row{action + "/Null", post(path, "null"), bad},
			row{action + "/Text", post(path, "x"), bad},
			row{action + "/Two", post(path, "{}{}"), bad},
			row{action + "/Cut", post(path, "{"), bad},
			row{action + "/Object", post(path, `{"reason":"x"}`), answers(200, fields{"id": `"<batch>"`})},
			row{action + "/AnyType", post(path, " {} ").instead("Content-Type: text/plain"), answers(200, fields{"id": `"<batch>"`})},
			row{action + "/Empty", post(path), answers(200, fields{"id": `"<batch>"`})},
		)
	}
	return rows
}

func targetStories(Harness) []story {
	const field, path = "target_concurrency_limit", batches + "/<batch>"
	rows := []row{
		{"Created", create(waiting(), to(2)), created(fields{field: "<half>"}).save("batch", "id")},
		{"Changed", patch(path, `{"target_concurrency_limit":<limit>}`), answers(200, fields{
			"id": `"<batch>"`, field: "<limit>", "recipients": absent, "counts.queued": "2", "paused_at": present,
		})},
		{"ReadBack", get(path), answers(200, fields{field: "<limit>"})},
		{"Least", patch(path, `{"target_concurrency_limit":1}`), answers(200, fields{field: "1"})},
		{"OthersAreIgnored", patch(path, `{"name":"x","target_concurrency_limit":2,"weight":9}`), answers(200, fields{
			field: "2", "name": `"contract"`, "weight": "1",
		})},
		{"TextIsNoJSON", patch(path, "x"), refused(400, "invalid_json")},
		{"Array", patch(path, "[]"), refused(400, "invalid_request")},
		{"Empty", patch(path, "").with("Content-Type: application/json"), refused(400, "invalid_json")},
		{"OtherType", patch(path, "{}").instead("Content-Type: text/plain"), refused(415, "unsupported_media_type")},
		{"OfNothing", patch(batches+"/acb_0", `{"target_concurrency_limit":1}`), refused(404, "not_found")},
	}
	rows = append(rows, each(map[string]string{
		"Missing": `{}`, "Null": `{"target_concurrency_limit":null}`, "Zero": `{"target_concurrency_limit":0}`,
		"Negative": `{"target_concurrency_limit":-1}`, "Text": `{"target_concurrency_limit":"1"}`,
		"Float": `{"target_concurrency_limit":1.5}`, "WholeFloat": `{"target_concurrency_limit":1.0}`,
		"AboveTheLimit": `{"target_concurrency_limit":<over>}`, "Twice": `{"target_concurrency_limit":1,"target_concurrency_limit":1}`,
		"Huge": `{"target_concurrency_limit":99999999999999999999}`,
	}, func(value string) (request, want) { return patch(path, value), invalid(field) })...)
	return []story{{"Patch", append(rows,
		row{"OtherCase", patch(path, `{"Target_concurrency_limit":1}`), invalid("Target_concurrency_limit")},
		row{"Unchanged", get(path), answers(200, fields{field: "2"})})}}
}
