//! Messages between friends: sent, stored, read, and lost.

use crate::metrics::{Definition, latency, measured, not_done, value};
use crate::play::verdict::missed::MEANINGS;

const CHAT: &[&str] = &["chat"];

crate::metrics! {
    pub(super) METRICS {
        CHAT_ACKED_LOST = value(
            "chat.acked_lost",
            "1",
            CHAT,
            "Messages that were acknowledged to their author and are gone from the author's disk at the end.",
        );
        CHAT_DELIVERED = measured(value(
            "chat.delivered",
            "1",
            CHAT,
            "Measured messages that their reader has at the end of the drain.",
        ));
        CHAT_DELIVERY_LATENCY = measured(latency(
            "chat.delivery.latency",
            CHAT,
            "From the moment a message was acknowledged to its author until it was stored durably at its reader. Lost messages have no sample: see chat.lost.",
        ));
        CHAT_DUPLICATES = value(
            "chat.duplicates",
            "1",
            CHAT,
            "Times that a node told of a message as new that it had told of before, in the whole run.",
        );
        CHAT_LOST = measured(Definition {
            lost: Some("messages that never reached their reader"),
            labels: &["cause"],
            values: MEANINGS,
            ..value(
                "chat.lost",
                "1",
                CHAT,
                "Measured messages that their reader does not have at the end of the drain, also by cause. Those between hosts of which one has blocked the other are not meant to arrive.",
            )
        });
        CHAT_NOT_DONE = not_done(
            "chat.not_done",
            CHAT,
            "Messages that were to be sent and conversations that were to be looked at, warm-up included, where that was not done, also by reason: host-down (the node did not run), busy, refused, storage-failed.",
        );
        CHAT_READ_LATENCY = measured(latency(
            "chat.read.latency",
            CHAT,
            "From the moment a reader had marked a message as read until its author's node told so; of messages that were sent in the measured time.",
        ));
        CHAT_RECEIPT_LATENCY = measured(latency(
            "chat.receipt.latency",
            CHAT,
            "From the moment a message was stored at its reader until its author's node told so; of messages that were sent in the measured time.",
        ));
        CHAT_RECEIPTS_REFUSED = value(
            "chat.receipts.refused",
            "1",
            CHAT,
            "Receipts that did not count, since they were for no message to their signer, or said less than earlier ones, in the whole run.",
        );
        CHAT_REORDERED = value(
            "chat.reordered",
            "1",
            CHAT,
            "Messages that came to their reader after a later one of the same author, in the whole run. In the conversation they stand in their order all the same.",
        );
        CHAT_SEND_LATENCY = measured(latency(
            "chat.send.latency",
            CHAT,
            "From the command to send a message until the acknowledgement that it is durable.",
        ));
        CHAT_SUCCESS = measured(value(
            "chat.success",
            "ratio",
            CHAT,
            "Share of the measured commands to send a message that were acknowledged.",
        ));
        CHAT_UNREAD = measured(value(
            "chat.unread",
            "1",
            CHAT,
            "Measured messages of which their author does not know at the end that they were read.",
        ));
    }
}
