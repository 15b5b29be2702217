"""What clients do with the deployed API, step by step. Each step depends on the ones before it.

A new function adds its step here. The steps run in the order in which they are written.
"""

import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone

import channels
from api import Api, token
from stack import Stack

SECRET = "a secret of the deployment test, of no use elsewhere"
WRITE_KEY = "wk-deployment"
ORIGIN = "https://music.example"
PARAMETERS = {
    "WriteKeys": f"wk-other,{WRITE_KEY}",
    "AllowedOrigins": f"https://other.example,{ORIGIN}",
}

ARTIST = token(SECRET, "artist-1", "artist")
OTHER_ARTIST = token(SECRET, "artist-2", "artist")
LISTENER = token(SECRET, "listener-1", "student")
TEACHER = token(SECRET, "teacher-1", "teacher")
OTHER_TEACHER = token(SECRET, "teacher-2", "teacher")
ADMIN = token(SECRET, "admin-1", "admin")

TRACK = "/api/tracks/track-1"
EVENTS = "/api/stats/events"
VISIBLE_WITHIN_SECONDS = 20

STEPS = []


@dataclass
class Story:
    api: Api
    stack: object
    channels: object
    batch: dict = field(default_factory=dict)
    drained: int = 0


def step(title):
    def register(function):
        STEPS.append((title, function))
        return function

    return register


@step("CORS allows the allowed origins only")
def preflight(story):
    allowed = story.api.call("OPTIONS", EVENTS, origin=ORIGIN, access_control_request_method="POST").expect(200, 204)
    assert allowed.headers["access-control-allow-origin"] == ORIGIN, allowed.headers
    refused = story.api.call("OPTIONS", EVENTS, origin="https://evil.example", access_control_request_method="POST")
    assert "access-control-allow-origin" not in refused.headers, refused.headers


@step("a track cannot be created without a valid token")
def refused_tokens(story):
    description = {"title": "Rejected", "durationSeconds": 1}
    story.api.call("PUT", TRACK, description).expect(401)
    forged = token("another secret, of the same length or longer", "artist-1", "artist")
    expired = token(SECRET, "artist-1", "artist", lives_seconds=-3600)
    for bad in (forged, expired, "no.token.atall"):
        story.api.call("PUT", TRACK, description, token=bad).problem(401)
    story.api.call("PUT", TRACK, description, token=LISTENER).problem(403)
    story.api.call("GET", TRACK).problem(404)


@step("an artist creates and updates a track")
def put_track(story):
    created = story.api.call("PUT", TRACK, {"title": "First", "durationSeconds": 240}, token=ARTIST).expect(201)
    changed = story.api.call(
        "PUT", TRACK, {"title": "First light", "durationSeconds": 240}, token=ARTIST, if_match=created.headers["etag"]
    ).expect(200)
    stale = story.api.call(
        "PUT", TRACK, {"title": "Too late", "durationSeconds": 1}, token=ARTIST, if_match=created.headers["etag"]
    )
    stale.problem(412)
    assert changed.headers["etag"] != created.headers["etag"]
    story.api.call("PUT", TRACK, {"title": "Mine now", "durationSeconds": 1}, token=OTHER_ARTIST).problem(403)


@step("a track has counters")
def get_track(story):
    track = story.api.call("GET", TRACK).expect(200).json
    described = {key: track[key] for key in ("trackId", "title", "artistId", "durationSeconds")}
    assert described == {
        "trackId": "track-1",
        "title": "First light",
        "artistId": "artist-1",
        "durationSeconds": 240,
    }, described
    expect_counters(track, totalPlays=0, netLikes=0, totalShares=0, sourceBreakdown={})


@step("a playlist accepts a submitted track once")
def playlists(story):
    playlist, submissions = "/api/playlists/list-1", "/api/playlists/list-1/submissions"
    created = story.api.call("PUT", playlist, {"title": "Mornings"}, token=LISTENER).expect(201)
    story.api.call("PUT", playlist, {"title": "Mine now"}, token=OTHER_ARTIST).problem(403)
    story.api.call("POST", submissions, {"trackId": "track-1"}, token=OTHER_ARTIST).problem(403)
    submitted = story.api.call("POST", submissions, {"trackId": "track-1"}, token=ARTIST).expect(201).json
    again = story.api.call("POST", submissions, {"trackId": "track-1"}, token=ARTIST).expect(201).json
    assert again == submitted and submitted["status"] == "pending", f"{submitted}, then {again}"
    story.api.call("PATCH", f"{submissions}/track-1", {"status": "accepted"}, token=ARTIST).problem(403)
    judged = story.api.call("PATCH", f"{submissions}/track-1", {"status": "accepted"}, token=LISTENER).expect(200)
    assert judged.json["status"] == "accepted" and judged.json["decidedAt"], judged
    # An admin transfers it: the old owner's entry is deleted in the same transaction.
    given = story.api.call(
        "PUT",
        playlist,
        {"title": "Mornings", "ownerId": "artist-2", "isOpen": False},
        token=ADMIN,
        if_match=created.headers["etag"],
    ).expect(200)
    assert given.json["ownerId"] == "artist-2" and not given.json["isOpen"], given


@step("events need a write key or a token")
def refused_callers(story):
    batch = {"events": [event("play", source="landing")]}
    story.api.call("POST", EVENTS, batch).problem(401)
    story.api.call("POST", EVENTS, batch, x_write_key="wk-unknown").problem(401)
    story.api.call("POST", EVENTS, batch, token="no.token.atall").problem(401)
    story.api.call("POST", EVENTS, "{broken", x_write_key=WRITE_KEY).problem(400)


@step("anonymous and signed-in listeners send events")
def post_events(story):
    play_id = new_id()
    started = at(minutes_ago=4)
    anonymous = [
        event("play", source="landing", duration=200),
        event("play", source="playlist", playlistId="list-1", duration=10, skipped=True),
        event("play", source="search", duration=240, completionRate=100, replayed=True),
        # The start and the end of one play.
        event("play", source="landing", playId=play_id, timestamp=started),
        event("play", source="landing", playId=play_id, timestamp=started, duration=60),
        event("share", platform="twitter"),
        event("share", platform="copy_link"),
        event("download", source="player"),
    ]
    known = [event("like", action="like"), event("save", action="save", playlistId="list-2")]
    answer = story.api.call("POST", EVENTS, {"events": anonymous}, x_write_key=WRITE_KEY).expect(200)
    accepted(answer, len(anonymous))
    accepted(story.api.call("POST", EVENTS, {"events": known}, token=LISTENER), len(known))
    story.batch = {"anonymous": anonymous, "known": known}


@step("the counters show them")
def counters(story):
    eventually(lambda: expect_counters(track(story), **EXPECTED))


@step("duplicate events change no counter")
def redelivery(story):
    before = track(story)["counters"]
    accepted(
        story.api.call("POST", EVENTS, {"events": story.batch["anonymous"]}, x_write_key=WRITE_KEY),
        len(story.batch["anonymous"]),
    )
    accepted(
        story.api.call("POST", EVENTS, {"events": story.batch["known"]}, token=LISTENER),
        len(story.batch["known"]),
    )
    drain(story)
    after = track(story)["counters"]
    assert after == before, f"{before} became {after}"


@step("sendBeacon's text/plain, a bad event among good ones, a crawler")
def odd_senders(story):
    mixed = [event("download"), event("play", source="telepathy"), event("download")]
    answer = story.api.call("POST", f"{EVENTS}?writeKey={WRITE_KEY}", mixed, content_type="text/plain;charset=UTF-8")
    body = answer.expect(200).json
    assert body["accepted"] == 2, answer
    assert [rejected["index"] for rejected in body["rejected"]] == [1], answer
    crawled = story.api.call(
        "POST",
        EVENTS,
        [event("download")],
        x_write_key=WRITE_KEY,
        user_agent="Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    )
    assert crawled.expect(200).json["dropped"] == 1, crawled
    eventually(lambda: expect_counters(track(story), **EXPECTED | {"totalDownloads": 3}))


@step("an unlike removes the like")
def unlike(story):
    accepted(story.api.call("POST", EVENTS, [event("like", action="unlike")], token=LISTENER), 1)
    eventually(lambda: expect_counters(track(story), netLikes=0, netSaves=1))


@step("plays of an unknown track are counted too")
def undescribed(story):
    unknown = track(story, f"/api/tracks/{drain(story)}")
    assert unknown["title"] is None, unknown
    story.api.call("GET", "/api/tracks/never-heard-of").problem(404)


@step("only an admin can send old events")
def backfill(story):
    # Older than the retention of facts: the bucket decides whether it accepts late facts.
    old = event("play", source="landing", timestamp=at(minutes_ago=60 * 24 * 200), trackId="old-1")
    refused = story.api.call("POST", EVENTS, [old], token=LISTENER).expect(200).json
    assert refused["accepted"] == 0 and len(refused["rejected"]) == 1, refused
    accepted(story.api.call("POST", EVENTS, [old], token=ADMIN), 1)
    eventually(lambda: expect_counters(track(story, "/api/tracks/old-1"), totalPlays=1))


@step("analytics are the same before and after periods are closed")
def analytics(story):
    path = "/api/stats/analytics?trackId=old-1&timeRange=all"
    story.api.call("GET", path, token=ARTIST).problem(403)
    live = story.api.call("GET", path, token=ADMIN).expect(200).json
    assert live["metrics"]["plays"]["totalPlays"] == 1, live
    story.api.call("POST", "/api/admin/rollups", {"interval": "decade"}, token=ADMIN).problem(422)
    # The next run of the dispatcher closes the period of the late fact.
    story.stack.invoke("RollupDispatcherFunction", {})

    def closed():
        answer = story.api.call("GET", path, token=ADMIN).expect(200).json
        assert answer["metrics"] == live["metrics"], f"{live} became {answer}"
        assert answer["readFrom"] and "live" not in answer["readFrom"], answer["readFrom"]

    eventually(closed)
    eventually(lambda: expect_counters(track(story, "/api/tracks/old-1"), totalPlays=1))
    assert story.stack.queue_length("RollupFailuresQueue") == 0, "tasks were discarded"


@step("an artist's dashboard")
def dashboard(story):
    path = "/api/dashboard/stats?timeRange=7d"
    answer = story.api.call("GET", path, token=ARTIST).expect(200).json
    assert answer["overview"]["totalTracks"] == 1 and answer["overview"]["totalPlays"] == EXPECTED["totalPlays"], answer
    assert answer["topTracks"][0]["trackId"] == "track-1", answer
    assert answer["recentActivity"]["plays"][0]["title"] == "First light", answer
    story.api.call("GET", f"{path}&artistId=artist-1", token=OTHER_ARTIST).problem(403)
    story.api.call("GET", path).expect(401)


@step("a like changes the stats of a package")
def likes_of_a_package(story):
    quiz = "/api/quizzes/quiz-1"
    story.api.call("POST", f"{quiz}/like", token=LISTENER).problem(404)
    for number in (1, 2):
        story.api.call("PUT", f"/api/quizzes/quiz-{number}", {"title": "Sums"}, token=TEACHER).expect(201)
    package = {"packageId": "pack-1", "title": "Algebra", "price": 500, "currency": "INR", "quizIds": ["quiz-1"]}
    story.api.call("POST", "/api/packages", package, token=LISTENER).problem(403)
    created = story.api.call("POST", "/api/packages", package, token=TEACHER).expect(201)
    again = story.api.call("POST", "/api/packages", package, token=TEACHER).expect(201)
    assert again.json == created.json and again.headers["etag"] == created.headers["etag"], again
    expect_stats(story, totalLikes=0, totalAttempts=0, totalRatings=0, averageRating=None, earnings=0)
    assert story.api.call("POST", f"{quiz}/like", token=LISTENER).expect(200).json["changed"]
    assert not story.api.call("POST", f"{quiz}/like", token=LISTENER).expect(200).json["changed"]
    eventually(lambda: expect_stats(story, totalLikes=1))


@step("package stats follow ratings, attempts and changes of the quizzes")
def membership(story):
    package = {"title": "Algebra", "price": 500, "currency": "INR", "quizIds": ["quiz-1", "quiz-2"]}
    for rating in (4, 2):
        story.api.call("POST", "/api/quizzes/quiz-2/rate", {"rating": rating}, token=LISTENER).expect(200)
    attempt = {"attemptId": "attempt-1", "score": 3, "maxScore": 4}
    for _ in range(2):
        story.api.call("POST", "/api/quizzes/quiz-2/attempt", attempt, token=LISTENER).expect(201)
    story.api.call("PUT", "/api/packages/pack-1", package, token=OTHER_TEACHER).problem(403)
    held = story.api.call("PUT", "/api/packages/pack-1", package, token=TEACHER).expect(200)
    both = {"totalLikes": 1, "totalRatings": 1, "averageRating": 2, "totalAttempts": 1, "averageScore": 75}
    eventually(lambda: expect_stats(story, **both))
    package["quizIds"] = ["quiz-2"]
    story.api.call("PUT", "/api/packages/pack-1", package, token=TEACHER, if_match=held.headers["etag"]).expect(200)
    story.api.call("PUT", "/api/packages/pack-1", package, token=TEACHER, if_match=held.headers["etag"]).problem(412)
    eventually(lambda: expect_stats(story, **both | {"totalLikes": 0}))
    answer = story.api.call("GET", "/api/packages/pack-1").expect(200).json
    assert answer["quizIds"] == ["quiz-2"], answer
    numbers = story.api.call("GET", "/api/quizzes/quiz-1/stats").expect(200).json
    assert numbers["totalLikes"] == 1, numbers


@step("an admin rebuilds the stats of all packages")
def refresh(story):
    path = "/api/admin/packages/refresh"
    story.api.call("POST", path, token=TEACHER).problem(403)
    begun = story.api.call("POST", path, token=ADMIN).expect(202).json

    def done():
        answer = story.api.call("GET", f"{path}/{begun['refreshId']}", token=ADMIN).expect(200).json
        assert (answer["status"], answer["packages"], answer["corrected"], answer["failed"]) == ("done", 1, 0, 0), answer

    eventually(done)
    story.api.call("DELETE", "/api/packages/pack-1", token=TEACHER).expect(204)
    story.api.call("GET", "/api/packages/stats?packageId=pack-1", token=TEACHER).problem(404)
    for queue in ("PackageStatsFailuresQueue", "PackageRebuildFailuresQueue"):
        assert story.stack.queue_length(queue) == 0, f"{queue} is not empty"


@step("a purchase is owned immediately, exists once, earns revenue, and is refunded")
def purchases(story):
    package = {"packageId": "pack-2", "title": "Geometry", "price": 500, "currency": "INR"}
    story.api.call("POST", "/api/packages", package, token=TEACHER).expect(201)
    half = {"type": "percent", "percent": 50, "maxUses": 1}
    story.api.call("PUT", "/api/discounts/HALF-PRICE", half, token=TEACHER).problem(403)
    story.api.call("PUT", "/api/discounts/HALF-PRICE", half, token=ADMIN).expect(201)
    order = {"itemType": "package", "itemId": "pack-2", "amount": 500, "currency": "INR", "paymentMethod": "card"}
    order["discountCode"] = "HALF-PRICE"

    def buy(key, **patch):
        return story.api.call("POST", "/api/purchases", order | patch, token=LISTENER, idempotency_key=key)

    story.api.call("POST", "/api/purchases", order, token=LISTENER).problem(400)
    buy("cheap", amount=1).problem(422)
    bought = buy("first").expect(201)
    assert bought.json["amount"] == 250 and bought.json["status"] == "pending", bought
    assert buy("first").expect(201).text == bought.text
    path = f"/api/purchases/{bought.json['purchaseId']}"
    story.api.call("POST", f"{path}/complete", token=ADMIN).expect(200)
    assert story.api.call("GET", path, token=LISTENER).expect(200).json["status"] == "completed"
    story.api.call("GET", path, token=TEACHER).problem(404)
    assert buy("second", discountCode=None).problem(409)["purchaseId"] == bought.json["purchaseId"]
    assert story.api.call("GET", "/api/discounts/HALF-PRICE", token=ADMIN).expect(200).json["uses"] == 1

    def owns():
        path = "/api/purchases/owned?itemType=package&itemId=pack-2&strong=true"
        [item] = story.api.call("GET", path, token=LISTENER).expect(200).json["items"]
        return item["owned"]

    def earned(amount):
        path = "/api/packages/stats?packageId=pack-2"
        [answer] = story.api.call("GET", path, token=TEACHER).expect(200).json["packages"]
        assert answer["earnings"] == amount, answer

    assert owns()
    eventually(lambda: earned(250))
    story.api.call("DELETE", path, token=LISTENER).problem(403)
    part = story.api.call("POST", f"{path}/refund", {"amount": 50}, token=ADMIN, idempotency_key="part").expect(200)
    assert part.json["refundedAmount"] == 50 and owns(), part
    assert story.api.call("DELETE", path, token=ADMIN).expect(200).json["status"] == "refunded"
    assert not owns()
    eventually(lambda: earned(0))
    pending = buy("third", discountCode=None, status="pending").expect(201).json
    assert pending["status"] == "pending" and not owns(), pending
    complete = f"/api/purchases/{pending['purchaseId']}/complete"
    story.api.call("POST", complete, token=LISTENER).problem(403)
    story.api.call("POST", complete, token=ADMIN).expect(200)
    assert owns()
    history = story.api.call("GET", "/api/purchases", token=LISTENER).expect(200).json["purchases"]
    assert [one["status"] for one in history] == ["completed", "refunded"], history
    eventually(lambda: earned(500))

    def has_analytics():
        analytics = story.api.call("GET", "/api/purchases/analytics", token=ADMIN).expect(200).json
        [rupees] = analytics["currencies"]
        assert [rupees[name] for name in ("purchases", "gross", "refunds", "net")] == [2, 750, 250, 500], analytics
        assert analytics["buyers"]["count"] == 1 and analytics["cohorts"][0]["buyers"] == 1, analytics
        assert analytics["top"]["byPurchases"]["items"][0]["itemId"] == "pack-2", analytics

    eventually(has_analytics)
    story.api.call("GET", "/api/purchases/analytics", token=LISTENER).problem(403)
    begun = story.api.call("POST", "/api/admin/audits", token=ADMIN).expect(202).json

    def audited():
        report = story.api.call("GET", f"/api/admin/audits/{begun['auditId']}", token=ADMIN).expect(200).json
        assert report["status"] == "done" and report["checked"]["purchases"] == 2, report
        assert report["findings"] == [], report

    eventually(audited)
    for queue in ("RevenueFailuresQueue", "AuditFailuresQueue"):
        assert story.stack.queue_length(queue) == 0, f"{queue} is not empty"


@step("refolds of a day, a bucket and a failure message change no counter")
def refolds(story):
    path = "/api/admin/refolds"
    before = track(story)["counters"]
    today = datetime.now(timezone.utc)
    minute = {"type": "track", "id": "track-1", "timestamp": today.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    key = {"pk": {"S": f"TRACK#track-1#{today:%Y-%m-%dT%H}"}, "sk": {"S": f"{today:%M:%S}.000#download#x#s:x"}}
    record = {"awsRegion": "us-east-1", "eventID": "e", "eventName": "INSERT", "dynamodb": {"Keys": key, "SizeBytes": 1}}
    story.api.call("POST", path, {"units": [minute]}, token=TEACHER).problem(403)
    for scope in (
        {"units": [minute]},
        {"failure": {"function": "counter-updater", "reason": "corrupt", "record": record}},
        {"system": "tracks", "day": f"{today:%Y-%m-%d}"},
        {"system": "sales", "day": f"{today:%Y-%m-%d}"},
    ):
        begun = story.api.call("POST", path, scope, token=ADMIN).expect(202).json

        def done():
            answer = story.api.call("GET", f"{path}/{begun['refoldId']}", token=ADMIN).expect(200).json
            assert answer["status"] == "done" and answer["units"]["failed"] == 0, answer
            assert "day" in scope or answer["units"] == {"found": 1, "folded": 1, "failed": 0}, answer

        eventually(done)
    after = track(story)["counters"]
    assert after == before, f"{before} became {after}"
    assert story.stack.queue_length("RefoldFailuresQueue") == 0, "tasks were discarded"


@step("a sale and a view appear on boards and dashboard, and an undone sale disappears")
def boards(story):
    lamp = {"title": "Lamp", "price": 2500, "currency": "USD"}
    story.api.call("POST", "/api/products", lamp | {"productId": "lamp"}, token=LISTENER).problem(403)
    story.api.call("POST", "/api/products", lamp | {"productId": "lamp", "sellerId": "sally"}, token=ADMIN).expect(201)
    views = "/api/products/lamp/views"
    assert story.api.call("POST", views, {}, token=LISTENER).expect(200).json["counted"]
    assert not story.api.call("POST", views, {}, token=LISTENER).expect(200).json["counted"]

    def board(metric, values):
        path = f"/api/leaderboard?metric={metric}&period=all"
        entries = story.api.call("GET", path).expect(200).json["entries"]
        assert [(one["rank"], one["sellerId"], one["value"]) for one in entries] == values, entries

    def trending(products):
        shown = story.api.call("GET", "/api/products/trending").expect(200).json["products"]
        assert [(one["productId"], one["views"]) for one in shown] == products, shown

    def dashboard(**numbers):
        answer = story.api.call("GET", "/api/seller/dashboard?sellerId=sally", token=ADMIN).expect(200).json
        assert {name: answer[name] for name in numbers} == numbers, answer

    eventually(lambda: board("views", [(1, "sally", 1)]))
    eventually(lambda: trending([("lamp", 1)]))
    eventually(lambda: dashboard(activeListings=1, totalViews=1, activeViews=1, itemsSold=0, totalEarnings={}))
    story.api.call("GET", "/api/seller/dashboard", token=LISTENER).problem(403)
    sold = story.api.call("PUT", "/api/products/lamp", lamp | {"status": "sold"}, token=ADMIN).expect(200).json
    assert sold["soldAt"] and sold["soldFor"] == 2500, sold
    eventually(lambda: board("sales", [(1, "sally", 1)]))
    eventually(lambda: board("revenue&currency=USD", [(1, "sally", 2500)]))
    eventually(lambda: trending([]))
    eventually(lambda: dashboard(activeListings=0, totalViews=1, activeViews=0, itemsSold=1, totalEarnings={"USD": 2500}))
    around = story.api.call("GET", "/api/leaderboard?period=all&around=sally").expect(200).json["entries"]
    assert [one["rank"] for one in around] == [1], around
    story.api.call("PUT", "/api/products/lamp", lamp | {"status": "active"}, token=ADMIN).expect(200)
    eventually(lambda: board("sales", []))
    shown = story.api.call("GET", "/api/products/lamp", token=ADMIN).expect(200)
    assert shown.json["views"] == {"total": 1, "month": 1}, shown.json
    story.api.call("DELETE", "/api/products/lamp", token=LISTENER).problem(403)
    story.api.call("DELETE", "/api/products/lamp", token=ADMIN).expect(204)
    story.api.call("GET", "/api/products/lamp", token=ADMIN).problem(404)
    eventually(lambda: dashboard(activeListings=0, totalViews=1, activeViews=0, itemsSold=0))
    assert story.stack.queue_length("LeaderboardFailuresQueue") == 0, "records were discarded"


@step("a notification is stored and published, signed with the secret of Secrets Manager")
def notifications(story):
    notice = {"title": "Hello", "message": "How are you?", "type": "info", "userId": "listener-1"}
    story.api.call("POST", "/api/notifications", notice, token=LISTENER).problem(403)
    sent = story.api.call("POST", "/api/notifications", notice, token=ADMIN).expect(201).json
    inbox = story.api.call("GET", "/api/notifications", token=LISTENER).expect(200).json
    assert [one["notificationId"] for one in inbox["notifications"]] == [sent["notificationId"]], inbox
    read = f"/api/notifications/{sent['notificationId']}/read"
    story.api.call("POST", read, token=ADMIN).problem(404)
    assert story.api.call("POST", read, token=LISTENER).expect(200).json["readAt"], "it was not read"
    assert story.api.call("GET", "/api/notifications", token=LISTENER).expect(200).json["unread"] == 0
    news = {"title": "News", "message": "There are news.", "type": "success"}
    story.api.call("POST", "/api/announcements", news, token=ADMIN).expect(202)
    story.api.call("PUT", "/api/courses/algebra", {"title": "Algebra"}, token=ADMIN).expect(201)
    asked = {"socket_id": "1.2", "channel_name": "presence-course-algebra"}
    story.api.call("POST", "/api/pusher/auth", asked, token=LISTENER).problem(403)
    leave = story.api.call("POST", "/api/pusher/auth", asked, token=ADMIN).expect(200).json
    signed = channels.signature(f"1.2:presence-course-algebra:{leave['channel_data']}")
    assert leave["auth"] == f"{channels.KEY}:{signed}", leave

    def sent_out():
        published = {(event["channel"], event["name"]) for event in story.channels.events}
        assert ("private-user-listener-1", "new-notification") in published, published
        assert ("public-announcements", "announcement") in published, published
        waiting = [item for item in story.stack.scan("OutboxTable") if item["pk"]["S"].startswith("CHANNEL#")]
        assert not waiting, waiting

    eventually(sent_out)
    assert not story.channels.refused, story.channels.refused
    assert story.stack.queue_length("RealtimeFailuresQueue") == 0, "events were discarded"


@step("dashboards show enrollments, scores, attendance and payments")
def classroom(story):
    def call(method, path, body, token, status, **more):
        return story.api.call(method, path, body, token=token, **more).expect(status).json

    call("PUT", "/api/courses/geometry", {"title": "Geometry"}, TEACHER, 201)
    taken = {"courseId": "geometry"}
    theirs = taken | {"studentId": "listener-1"}
    call("POST", "/api/enrollments", taken, LISTENER, 201)
    call("POST", "/api/enrollments", taken, LISTENER, 201)
    call("PATCH", "/api/enrollments", theirs | {"status": "active"}, TEACHER, 200)
    score = theirs | {"title": "Test", "score": 1, "maxScore": 2}
    given = call("POST", "/api/scores", score, TEACHER, 201, idempotency_key="score-1")
    call("PUT", f"/api/scores/{given['scoreId']}", {"title": "Test", "score": 3, "maxScore": 4}, TEACHER, 200)
    mark = theirs | {"date": "2026-01-31"}
    call("POST", "/api/attendance", mark | {"status": "absent"}, TEACHER, 201)
    call("POST", "/api/attendance", mark | {"status": "late"}, TEACHER, 201)
    order = {"itemType": "course", "itemId": "geometry", "amount": 700, "currency": "INR", "paymentMethod": "card"}
    order["status"] = "pending"
    purchase = call("POST", "/api/purchases", order, LISTENER, 201, idempotency_key="course-1")
    paid = {"purchaseId": purchase["purchaseId"]}
    payment = call("POST", "/api/payments", paid, LISTENER, 201, idempotency_key="payment-1")

    def dashboard(whose, token, **expected):
        answer = story.api.call("GET", f"/api/{whose}/dashboard", token=token).expect(200).json
        assert {name: answer[name] for name in expected} == expected, answer

    numbers = {
        "enrollments": {"invited": 0, "pending": 0, "active": 1, "completed": 0, "dropped": 0},
        "scores": {"count": 1, "averageScore": 75},
        "attendance": {"present": 0, "absent": 0, "late": 1, "excused": 0, "rate": 100},
    }
    waiting = {"count": 1, "amounts": {"INR": 700}}
    eventually(lambda: dashboard("student", LISTENER, **numbers, receivedPayments=[payment]))
    eventually(lambda: dashboard("teacher", TEACHER, **numbers, totalCourses=1))
    nothing = {"count": 0, "amounts": {}}
    eventually(lambda: dashboard("admin", ADMIN, **numbers, payments={"received": waiting, "approved": nothing}))
    [course] = story.api.call("GET", "/api/courses", token=TEACHER).expect(200).json["courses"]
    assert course == {"courseId": "geometry", "title": "Geometry", "teacherId": course["teacherId"]} | numbers, course
    call("POST", f"/api/payments/{payment['paymentId']}/approve", None, ADMIN, 200)
    eventually(lambda: dashboard("student", LISTENER, receivedPayments=[]))
    eventually(lambda: dashboard("admin", ADMIN, payments={"received": nothing, "approved": waiting}))
    for whose in ["teacher", "admin"]:
        story.api.call("GET", f"/api/{whose}/dashboard", token=LISTENER).problem(403)


@step("tables restored in a new stack give the same answers and accept events")
def restored(story):
    drain(story)
    old, name = story.stack, f"{story.stack.name}-2"
    answers = {(path, token): answer_without_time(story.api, path, token) for path, token in UNCHANGED}
    now = datetime.now(timezone.utc).isoformat()
    old.emulator.run(["infra/restore", old.name, name, "--at", now], old.log.with_name("restore.log"))
    given = old.given | {"TablePrefix": f"{name}-"}
    new = Stack(old.emulator, given, old.log.with_name("deploy-restored.log"), name)
    assert new.physical_id("EventsTable") == f"{name}-events", new.physical_id("EventsTable")
    api = Api(new.api_url)
    for (path, token), answer in answers.items():
        restored_answer = answer_without_time(api, path, token)
        assert restored_answer == answer, f"{path}: {restored_answer}, not {answer}"
    plays = answers[TRACK, None]["counters"]["totalPlays"]
    accepted(api.call("POST", EVENTS, [event("play", source="direct")], x_write_key=WRITE_KEY), 1)
    eventually(lambda: expect_counters(answer_without_time(api, TRACK, None), totalPlays=plays + 1))
    unchanged = answer_without_time(story.api, TRACK, None)["counters"]["totalPlays"]
    assert unchanged == plays, "the old stack counts an event of the new one"


@step("no record was discarded; an unreadable one is, and the rest is processed")
def failures(story):
    queue = "CounterFailuresQueue"
    assert story.stack.queue_length(queue) == 0, f"{queue} is not empty"
    story.stack.put_item("EventsTable", pk="TRACK#unreadable", sk="unreadable")
    drain(story)

    def is_set_aside():
        assert story.stack.queue_length(queue) == 1, f"{queue} did not get the unreadable record"

    eventually(is_set_aside)


# Answers that a restore must not change.
UNCHANGED = [
    (TRACK, None),
    ("/api/stats/analytics?trackId=track-1&timeRange=all", ADMIN),
    ("/api/stats/analytics?timeRange=all", ADMIN),
    ("/api/dashboard/stats?timeRange=7d", ARTIST),
    ("/api/quizzes/quiz-1/stats", None),
    ("/api/packages/stats?packageId=pack-2", TEACHER),
    ("/api/purchases", LISTENER),
    ("/api/purchases/analytics", ADMIN),
    ("/api/leaderboard?metric=views&period=all", None),
    ("/api/seller/dashboard?sellerId=sally", ADMIN),
    ("/api/notifications", LISTENER),
    ("/api/student/dashboard", LISTENER),
    ("/api/teacher/dashboard", TEACHER),
    ("/api/admin/dashboard", ADMIN),
]


def answer_without_time(api, path, token):
    """An answer, without its time."""
    answer = api.call("GET", path, token=token).expect(200).json
    return {name: value for name, value in answer.items() if name not in ("asOf", "serverTime")}


EXPECTED = {
    "totalPlays": 4,
    "qualifiedPlays": 3,
    "totalSkips": 1,
    "totalReplays": 1,
    "netLikes": 1,
    "netSaves": 1,
    "totalShares": 2,
    "totalDownloads": 1,
    "totalDurationSeconds": 510,
    "sourceBreakdown": {"landing": 2, "playlist": 1, "search": 1},
    "platformBreakdown": {"twitter": 1, "copy_link": 1},
}


def track(story, path=TRACK):
    return story.api.call("GET", path).expect(200).json


def expect_stats(story, **expected):
    answer = story.api.call("GET", "/api/packages/stats?packageId=pack-1", token=TEACHER).expect(200).json
    [answer] = answer["packages"]
    shown = {name: answer[name] for name in expected}
    assert shown == expected, f"{shown}, not {expected}"


def expect_counters(track, **expected):
    shown = {name: track["counters"][name] for name in expected}
    for name, value in shown.items():
        if isinstance(value, dict):
            shown[name] = {key: count for key, count in value.items() if count}
    assert shown == expected, f"{shown}, not {expected}"


def eventually(check):
    """Repeats the check until it passes; the last error is raised at the deadline."""
    deadline = time.monotonic() + VISIBLE_WITHIN_SECONDS
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def drain(story):
    """Waits until the stream has delivered everything: a play of a new track, sent last, is counted."""
    story.drained += 1
    name = f"drain-{story.drained}"
    play = event("play", source="direct", trackId=name)
    accepted(story.api.call("POST", EVENTS, [play], x_write_key=WRITE_KEY), 1)
    eventually(lambda: expect_counters(track(story, f"/api/tracks/{name}"), totalPlays=1))
    return name


def accepted(answer, count):
    body = answer.expect(200).json
    assert body["accepted"] == count and not body["rejected"] and not body["dropped"], str(answer)
    assert body["serverTime"], str(answer)


def event(kind, **properties):
    return {
        "id": new_id(),
        "type": kind,
        "trackId": "track-1",
        "sessionId": "session-1",
        "timestamp": at(minutes_ago=3),
    } | properties


def new_id():
    return uuid.uuid4().hex


def at(minutes_ago):
    moment = datetime.fromtimestamp(time.time() - 60 * minutes_ago, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
