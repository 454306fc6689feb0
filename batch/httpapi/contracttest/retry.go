package contracttest

func retryStories(Harness) []story {
	const batch = batches + "/<batch>"
	return []story{{"Busy", []row{
		{"Created", create(to(2), from("busy")), created(nil).save("batch", "id")},
		{"BothBusy", get(batch), answers(200, fields{
			"status": `"completed"`, "counts.failed": "2", "counts.failed_before_call": "0", "total_calls_dispatched": "2", "total_calls_finished": "2", "retry_count": "0",
			"recipients.0.status": `"failed"`, "recipients.0.end_reason": `"dial_busy"`, "recipients.0.attempts": "1",
			"recipients.0.error_message": absent, "recipients.0.agent_call_id": present, "waiting": absent,
		}).until().save("recipient", "recipients.0.id").save("call", "recipients.0.agent_call_id").save("admitted", "admitted_at")},
		{"Paused", post(batch + "/pause"), answers(200, nil)},
		{"Retried", post(batch + "/retry"), answers(200, fields{
			"status": `"pending"`, "counts.queued": "2", "retry_count": "1", "total_calls_scheduled": "2", "total_calls_dispatched": "0",
			"total_calls_finished": "0", "admitted_at": `"<admitted>"`,
		})},
		{"QueuedAgain", get(batch + "/recipients/<recipient>"), answers(200, fields{
			"status": `"queued"`, "attempts": "1", "agent_call_id": absent, "end_reason": absent, "waiting.reason": `"paused"`,
		})},
		{"TheCallIsKept", get(batch + "/recipients/<recipient>/calls"), page("", "call")},
		{"NobodyLeftToRetry", post(batch + "/retry"), answers(200, fields{"retry_count": "1"})},
		{"Resumed", post(batch + "/resume"), answers(200, nil)},
		{"BusyAgain", get(batch), answers(200, fields{
			"counts.failed": "2", "retry_count": "1", "recipients.0.attempts": "2", "recipients.0.end_reason": `"dial_busy"`,
			"admitted_at": `"<admitted>"`,
		}).until().save("second", "recipients.0.agent_call_id")},
		{"NewestAttemptFirst", get(batch + "/recipients/<recipient>/calls"), page("", "second", "call").and(fields{
			"data.0.attempt": "2", "data.1.attempt": "1", "data.0.status": `"failed"`, "data.0.recipient_id": `"<recipient>"`,
		})},
		{"OneAttemptAPage", get(batch + "/recipients/<recipient>/calls?limit=1"), page("second", "second")},
		{"AttemptsBackwards", get(batch + "/recipients/<recipient>/calls?limit=1&ending_before=<call>"), page("", "second")},
		{"ByEndReason", get(batch + "/recipients?end_reason=dial_busy,dial_failed&limit=1"), answers(200, fields{
			"data.0.id": `"<recipient>"`, "has_more": "true", "next_page": `"<recipient>"`,
		})},
		{"InTheResults", get(batch + "/results"), answers(200, nil).containing("dial_busy", "<second>", "failed")},
	}}, {"Refused", []row{
		{"Created", create(to(2), from("refused")), created(nil).save("batch", "id")},
		{"NoCallWasPlaced", get(batch), answers(200, fields{
			"status": `"failed"`, "counts.failed": "2", "counts.failed_before_call": "2", "total_calls_dispatched": "2", "total_calls_finished": "2",
			"recipients.0.status": `"failed"`, "recipients.0.agent_call_id": absent, "recipients.0.end_reason": absent,
			"recipients.0.error_message": present, "recipients.0.attempts": "1",
		}).until().save("recipient", "recipients.0.id")},
		{"TheAttemptIsTold", get(batch + "/recipients/<recipient>/calls"), answers(200, fields{
			"data.0.status": `"failed"`, "data.0.attempt": "1", "data.1": absent,
		})},
		{"Failed", get(batches + "?status=failed&limit=100"), answers(200, nil).containing("<batch>")},
		{"Retried", post(batch + "/retry"), answers(200, fields{"retry_count": "1"})},
		{"RefusedAgain", get(batch), answers(200, fields{"counts.failed": "2", "recipients.1.attempts": "2"}).until()},
	}}, {"Completed", []row{
		{"Created", create(to(2)), created(nil).save("batch", "id")},
		{"Done", get(batch), answers(200, fields{"counts.completed": "2"}).until().save("updated", "last_updated_at")},
		{"NothingToRetry", post(batch + "/retry"), answers(200, fields{
			"retry_count": "0", "last_updated_at": `"<updated>"`, "counts.completed": "2", "status": `"completed"`,
		})},
		{"OfNothing", post(batches + "/acb_0/retry"), refused(404, "not_found")},
	}}, {"UnderAKey", keyedRetryRows()}}
}

func keyedRetryRows() []row {
	const batch = batches + "/<batch>"
	again := func(key string) request { return post(batch + "/retry").with("Idempotency-Key: " + key + "-<unique>") }
	first := answers(200, nil).withHeader("Idempotent-Replayed", "")
	replayed := answers(200, nil).withHeader("Idempotent-Replayed", "true")
	failed := func(attempts string) want {
		return answers(200, fields{"counts.failed": "2", "recipients.0.attempts": attempts, "recipients.1.attempts": attempts}).until()
	}
	return []row{
		{"Created", create(to(2), from("busy")).with("Idempotency-Key: retry-<unique>"), created(nil).save("batch", "id")},
		{"Busy", get(batch), failed("1")},
		{"Retried", again("retry"), first.and(fields{"id": `"<batch>"`, "retry_count": "1", "recipients": absent})}, // that key created it
		{"BusyAgain", get(batch), failed("2").save("updated", "last_updated_at")},
		{"Repeated", again("retry"), replayed.and(fields{
			"retry_count": "1", "counts.failed": "2", "last_updated_at": `"<updated>"`, "recipients": absent,
		}).saveAs("repeated")},
		{"RepeatedInQuotes", post(batch + "/retry").with(`Idempotency-Key: "retry-<unique>"`), replayed.same("repeated")},
		{"OtherKey", again("second"), first.and(fields{"retry_count": "2"})},
		{"BusyOnceMore", get(batch), failed("3")},
		{"OtherKeyRepeated", again("second"), replayed.and(fields{"retry_count": "2", "counts.failed": "2"})},
		{"NoKey", post(batch + "/retry"), first.and(fields{"retry_count": "3"})},
		{"BusyForTheLastTime", get(batch), failed("4")},
		{"TheKeyHolds", again("second"), replayed.and(fields{"retry_count": "3", "counts.failed": "2"})},
		{"BadKey", post(batch + "/retry").with("Idempotency-Key: a b"), invalid("Idempotency-Key")},
		{"EmptyKey", post(batch + "/retry").with("Idempotency-Key:"), invalid("Idempotency-Key")},
		{"OfNothing", post(batches + "/acb_0/retry").with("Idempotency-Key: second-<unique>"), refused(404, "not_found")},
		{"OfAnotherOrganisation", again("second").as(other), refused(404, "not_found")},

		{"CreatedPaused", create(waiting(), to(2)), created(nil).save("batch", "id")},
		{"NobodyHasFailed", again("none"), first.and(fields{"retry_count": "0", "counts.queued": "2"})},
		{"Cancelled", post(batch + "/cancel"), answers(200, nil)},
		{"RepeatedThen", again("none"), replayed.and(fields{"status": `"cancelled"`, "retry_count": "0"})},
		{"Refused", again("late"), refused(400, "batch_cancelled")},
	}
}
