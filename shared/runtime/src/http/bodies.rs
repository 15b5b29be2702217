//! What several functions answer alike.

use serde_json::{Map, Value, json};

use super::response::{ones, seconds};
use domain::attendance::{Attendance, Presence};
use domain::board::Metric;
use domain::counters::TrackCounters;
use domain::course::{Course, Enrollment, EnrollmentStatus};
use domain::course_stats::CourseFigures;
use domain::discount::{Discount, Reduction};
use domain::id::{CourseId, DiscountCode, PackageId, PlaylistId, ProductId, QuizId};
use domain::interaction::Attempt;
use domain::package::Package;
use domain::payment::Payment;
use domain::playlist::{Playlist, Submission};
use domain::product::Product;
use domain::purchase::Purchase;
use domain::quiz::{Quiz, QuizFigures};
use domain::score::GivenScore;
use store::{InboxNotification, PackageStats, Ranked, RecordedAttempt, SettledPayment, Version, Versioned};

/// A playlist.
#[must_use]
pub fn playlist(id: &PlaylistId, playlist: &Playlist) -> Value {
    json!({
        "playlistId": id,
        "ownerId": playlist.owner,
        "title": playlist.title,
        "description": playlist.description,
        "isOpen": playlist.is_open,
    })
}

/// A submission, which is named by its track.
#[must_use]
pub fn submission(submission: &Submission) -> Value {
    json!({
        "submissionId": submission.track,
        "playlistId": submission.playlist,
        "trackId": submission.track,
        "artistId": submission.artist,
        "status": submission.status,
        "submittedAt": submission.submitted_at,
        "decidedAt": submission.decided_at,
    })
}

/// The counters of a track.
#[must_use]
pub fn counters(counters: &TrackCounters) -> Value {
    json!({
        "totalPlays": counters.plays,
        "qualifiedPlays": counters.qualified_plays(),
        "netLikes": counters.net_likes(),
        "netSaves": counters.net_saves(),
        "totalShares": counters.shares(),
        "totalDownloads": counters.downloads,
        "totalSkips": counters.skips,
        "totalReplays": counters.replays,
        "totalDurationSeconds": seconds(counters.duration_ms),
        "averageCompletionRate": ratio(counters.completion, counters.measured).map(|hundredths| hundredths / 100.0),
        "sourceBreakdown": counters.by_source,
        "platformBreakdown": counters.by_platform,
    })
}

/// A quotient, `None` where there is nothing to divide by.
#[allow(clippy::cast_precision_loss, reason = "an average needs no 53 bits")]
fn ratio(sum: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

/// Entries of a board. Views are counted here; sales and what they brought in are the sellers' own word.
#[must_use]
pub fn ranked(metric: Metric, entries: &[Ranked]) -> Vec<Value> {
    let is_verified = metric == Metric::Views;
    let entry = |entry: &Ranked| json!({"rank": entry.rank, "sellerId": entry.seller, "value": entry.value, "verified": is_verified});
    entries.iter().map(entry).collect()
}

/// A notification for its receiver.
#[must_use]
pub fn notification(received: &InboxNotification) -> Value {
    let InboxNotification { id, sender, sent_at, read_at, notice } = received;
    json!({
        "notificationId": id,
        "senderId": sender,
        "title": notice.title,
        "message": notice.message,
        "type": notice.kind,
        "link": notice.link,
        "sentAt": sent_at,
        "readAt": read_at,
    })
}

/// A course.
#[must_use]
pub fn course(id: &CourseId, course: &Course) -> Value {
    json!({"courseId": id, "title": course.title, "teacherId": course.teacher})
}

/// The numbers of a course, a student, a teacher or all: how many take courses, how well they do, who was there.
#[must_use]
pub fn class(figures: &CourseFigures) -> Map<String, Value> {
    let enrolled = |status| (format!("{status}"), json!(figures.enrollments.get(status).copied().unwrap_or_default()));
    let enrollments: Map<String, Value> = EnrollmentStatus::ALL.iter().map(enrolled).collect();
    let noted = |there| (format!("{there}"), json!(figures.attendance.get(there).copied().unwrap_or_default()));
    let mut attendance: Map<String, Value> = Presence::ALL.iter().map(noted).collect();
    attendance.insert("rate".to_owned(), json!(figures.attendance_rate()));
    let scores = json!({"count": figures.scores, "averageScore": figures.average_score()});
    [("enrollments", json!(enrollments)), ("scores", scores), ("attendance", json!(attendance))]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

/// An enrollment in a course.
#[must_use]
pub fn enrollment(enrollment: &Enrollment, course: Option<&Course>) -> Value {
    json!({
        "courseId": enrollment.course,
        "courseTitle": course.map(|course| &course.title),
        "teacherId": course.map(|course| &course.teacher),
        "studentId": enrollment.student,
        "studentName": enrollment.student_name,
        "status": enrollment.status,
        "enrolledAt": enrollment.enrolled_at,
        "changedAt": enrollment.changed_at,
    })
}

/// A score that a student was given.
#[must_use]
pub fn score(given: &GivenScore, course: Option<&Course>) -> Value {
    let score = given.description.score;
    json!({
        "scoreId": given.id,
        "courseId": given.course,
        "courseTitle": course.map(|course| &course.title),
        "teacherId": course.map(|course| &course.teacher),
        "studentId": given.student,
        "studentName": given.student_name,
        "title": given.description.title,
        "score": ones(score.reached()),
        "maxScore": ones(score.max()),
        "scorePercent": score.percent(),
        "givenAt": given.given_at,
        "changedAt": given.changed_at,
    })
}

/// Whether a student was there on a day.
#[must_use]
pub fn attendance(attendance: &Attendance, course: Option<&Course>) -> Value {
    json!({
        "courseId": attendance.course,
        "courseTitle": course.map(|course| &course.title),
        "teacherId": course.map(|course| &course.teacher),
        "studentId": attendance.student,
        "studentName": attendance.student_name,
        "date": attendance.date,
        "status": attendance.status,
        "markedAt": attendance.marked_at,
    })
}

/// A payment; amounts are in minor units, and null where they are unknown.
#[must_use]
pub fn payment(payment: &Payment) -> Value {
    json!({
        "paymentId": payment.id,
        "purchaseId": payment.purchase,
        "userId": payment.buyer.user(),
        "guestId": payment.buyer.guest(),
        "itemType": payment.item.kind,
        "itemId": payment.item.id,
        "amount": payment.amount,
        "currency": payment.currency,
        "status": payment.status,
        "receivedAt": payment.received_at,
        "approvedAt": payment.approved_at,
        "cancelledAt": payment.cancelled_at,
    })
}

/// The payment after the status of its purchase changed; `None` where there is no payment or it stays the same.
#[must_use]
pub fn settled(held: Option<Versioned<Payment>>, purchase: &Purchase) -> Option<SettledPayment> {
    let held = held?;
    let settled = held.document.settled(purchase);
    (settled != held.document).then(|| SettledPayment { body: payment(&settled), payment: settled, stored: held })
}

/// A product.
#[must_use]
pub fn product(id: &ProductId, product: &Product) -> Value {
    let sale = product.sale.as_ref();
    json!({
        "productId": id,
        "sellerId": product.seller,
        "title": product.title,
        "description": product.description,
        "price": product.price,
        "currency": product.currency,
        "status": product.status,
        "soldAt": sale.map(|sale| sale.at),
        "soldAtEstimated": sale.is_some_and(|sale| sale.estimated),
        "soldFor": sale.map(|sale| sale.price),
        "soldCurrency": sale.map(|sale| sale.currency),
    })
}

/// A quiz.
#[must_use]
pub fn quiz(id: &QuizId, quiz: &Quiz) -> Value {
    json!({"quizId": id, "creatorId": quiz.creator, "title": quiz.title, "description": quiz.description})
}

/// An attempt at a quiz.
#[must_use]
pub fn attempt(quiz: &QuizId, attempt: &Attempt, scored: RecordedAttempt) -> Value {
    let score = attempt.score;
    json!({
        "quizId": quiz,
        "attemptId": attempt.id,
        "score": ones(score.reached()),
        "maxScore": ones(score.max()),
        "scorePercent": score.percent(),
        "durationSeconds": attempt.duration_ms.map(seconds),
        "attemptedAt": scored.at,
        "countsForAverage": scored.counts,
    })
}

/// A quiz's numbers.
#[must_use]
pub fn quiz_stats(id: &QuizId, figures: &QuizFigures) -> Value {
    json!({
        "quizId": id,
        "totalAttempts": figures.attempts,
        "totalLikes": figures.net_likes(),
        "totalRatings": figures.ratings,
        "averageRating": figures.average_rating(),
        "averageScore": figures.average_score(),
    })
}

/// A package.
#[must_use]
pub fn package(id: &PackageId, package: &Package) -> Value {
    json!({
        "packageId": id,
        "creatorId": package.creator,
        "title": package.title,
        "description": package.description,
        "price": package.price,
        "currency": package.currency,
        "quizIds": package.quizzes,
    })
}

/// A package's numbers; what it earned is for its creator and admins.
#[must_use]
pub fn package_stats(id: &PackageId, stats: &PackageStats, is_theirs: bool) -> Value {
    let figures = &stats.figures.quizzes;
    let mut body = json!({
        "packageId": id,
        "creatorId": stats.creator,
        "totalAttempts": figures.attempts,
        "totalLikes": figures.net_likes(),
        "totalRatings": figures.ratings,
        "averageRating": figures.average_rating(),
        "averageScore": figures.average_score(),
        "asOf": stats.as_of,
    });
    if let (Some(body), true) = (body.as_object_mut(), is_theirs) {
        let earned = &stats.figures.earned;
        body.insert("earnings".to_owned(), json!(earned.get(&stats.currency).copied().unwrap_or_default()));
        body.insert("currency".to_owned(), json!(stats.currency));
        body.insert("earningsByCurrency".to_owned(), json!(earned));
    }
    body
}

/// A purchase; amounts are in minor units, and null where they are unknown.
#[must_use]
pub fn purchase(purchase: &Purchase) -> Value {
    let paid = purchase.paid;
    json!({
        "purchaseId": purchase.id,
        "userId": purchase.buyer.user(),
        "guestId": purchase.buyer.guest(),
        "itemType": purchase.item.kind,
        "itemId": purchase.item.id,
        "quantity": purchase.quantity,
        "amount": paid.map(|paid| paid.amount()),
        "currency": paid.map(|paid| paid.currency),
        "listAmount": paid.map(|paid| paid.listed),
        "discountAmount": paid.map(|paid| paid.discount),
        "refundedAmount": paid.map(|paid| paid.refunded),
        "discountCode": purchase.discount_code,
        "paymentMethod": purchase.payment_method,
        "variant": purchase.variant,
        "metadata": purchase.metadata,
        "status": purchase.status,
        "purchasedAt": purchase.purchased_at,
        "completedAt": purchase.completed_at,
        "endedAt": purchase.ended_at,
    })
}

/// A discount, and how often it was used.
#[must_use]
pub fn discount(code: &DiscountCode, discount: &Discount, uses: u64, version: &Version) -> Value {
    let (percent, amount, currency) = match discount.reduction {
        Reduction::Percent { percent } => (Some(percent), None, None),
        Reduction::Fixed { amount, currency } => (None, Some(amount), Some(currency)),
    };
    json!({
        "code": code,
        "type": if percent.is_some() { "percent" } else { "fixed" },
        "percent": percent,
        "amount": amount,
        "currency": currency,
        "validFrom": discount.valid_from,
        "validTo": discount.valid_until,
        "maxUses": discount.max_uses,
        "uses": uses,
        "version": version.0,
    })
}
