//! One channel's deliveries, from their arrival to their settlement.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future};
use lapin::{
    Acker, Channel,
    options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions},
};
use tokio::sync::mpsc;

use super::subscriptions::{Arrival, Subscriptions};
use crate::queue::{
    self,
    amqp::{
        CHECK_EVERY,
        ack_ranges::{Outstanding, Round},
        connection::Wire,
        error::{LinkError, within},
        lane::{Source, lane},
        mean_jobs::MeanJobs,
        prefetch::Allowance,
        receipt::{Held, Receipt, Settled},
        topology::Topology,
    },
    delivery::{Delivery, Disposition},
};
use quhao_common::{envelope::batch, process::metrics};

/// One channel's work in hand.
pub(super) struct Session {
    pub(super) channel: Channel,
    pub(super) subscriptions: Subscriptions,
    outstanding: Outstanding<Acker>,
    /// Deliveries that are out.
    pub(super) held: Held,
    mean_jobs: Arc<MeanJobs>,
    /// Goes along with each delivery. Receipts of an earlier channel lead nowhere.
    receipts: mpsc::UnboundedSender<Settled>,
    /// Holds at most one settlement a message, so the prefetch bounds it.
    pub(super) settlements: mpsc::UnboundedReceiver<Settled>,
}

impl Session {
    /// A fresh channel without a subscription.
    pub(super) async fn open(
        wire: &Wire,
        topology: &Arc<Topology>,
        mean_jobs: &Arc<MeanJobs>,
    ) -> Result<Self, LinkError> {
        let channel = wire.channel().await?;
        let (receipts, settlements) = mpsc::unbounded_channel();
        Ok(Self {
            subscriptions: Subscriptions::new(&channel, topology),
            channel,
            outstanding: Outstanding::new(),
            held: Held::default(),
            mean_jobs: Arc::clone(mean_jobs),
            receipts,
            settlements,
        })
    }

    /// The deliveries of one message and of what else is there already, until they are
    /// `room` or a message more.
    pub(super) fn take(&mut self, first: Arrival, room: usize) -> Result<Vec<Delivery>, LinkError> {
        let mut deliveries = Vec::new();
        self.accept(first, &mut deliveries);
        while deliveries.len() < room
            && let Some(Some(message)) = self.subscriptions.next().now_or_never()
        {
            self.accept(message?, &mut deliveries);
        }
        Ok(deliveries)
    }

    fn accept(&mut self, (source, message): Arrival, deliveries: &mut Vec<Delivery>) {
        let tag = message.delivery_tag;
        self.outstanding.insert(tag, message.acker);
        let bodies = match batch::unpack(&message.data) {
            Ok(bodies) => bodies.into_iter().map(<[u8]>::to_vec).collect(),
            // Not a bundle, or one that nobody can open: whoever tries says so.
            Err(batch::Damaged) => vec![message.data],
        };
        if source == Source::Jobs {
            self.mean_jobs.see(bodies.len());
        }
        let lane = lane(source, message.properties.headers().as_ref());
        let receipts = Receipt::of_message(tag, bodies.len(), &self.held, &self.receipts);
        deliveries.extend(bodies.into_iter().zip(receipts).map(|(body, receipt)| Delivery {
            body,
            lane,
            redelivered: message.redelivered,
            receipt: queue::Receipt::Amqp(receipt),
        }));
    }

    /// A message was settled. Telling the broker waits for [`Session::tell`].
    pub(super) fn settle(&mut self, Settled { tag, disposition }: Settled) {
        self.outstanding.settle(tag, disposition);
    }

    /// Ends the subscriptions; what arrived without having been looked at is settled as
    /// returned.
    pub(super) async fn unsubscribe(&mut self, limit: Duration) -> Result<(), LinkError> {
        for message in self.subscriptions.end(limit).await? {
            self.outstanding.insert(message.delivery_tag, message.acker);
            self.outstanding.settle(message.delivery_tag, Disposition::Requeue);
        }
        Ok(())
    }

    /// What the broker may send ahead, if that should change. Without a subscription it
    /// sends nothing.
    pub(super) fn allowance(&self, allowance: Allowance) -> Option<Allowance> {
        let subscribed = self.subscriptions.are_there();
        subscribed.then(|| allowance.follow(self.outstanding.len(), self.held.now())).flatten()
    }

    /// Messages that are settled, and the broker does not know it.
    pub(super) fn untold(&self) -> u64 {
        self.outstanding.untold()
    }

    /// Whether messages are out that will be settled.
    pub(super) fn expects_settlements(&self) -> bool {
        self.outstanding.are_out()
    }

    /// Tells the broker everything that is settled by now.
    pub(super) async fn tell(&mut self, limit: Duration) -> Result<(), LinkError> {
        while let Ok(settled) = self.settlements.try_recv() {
            self.settle(settled);
        }
        let Round { single, multiple } = self.outstanding.round();
        let covered = multiple.as_ref().map_or(0, |run| run.count);
        let mut lost = single.len() as u64 + covered;
        let telling = async {
            let each = single.iter().map(|(acker, disposition)| tell_one(acker, *disposition));
            let mut failed = Ok(());
            for told in future::join_all(each).await {
                match told {
                    Ok(heard) => lost -= u64::from(heard),
                    Err(error) => failed = Err(error),
                }
            }
            failed?;
            if let Some(run) = &multiple
                && run.last.ack(BasicAckOptions { multiple: true }).await?
            {
                lost -= covered;
            }
            Ok::<(), lapin::Error>(())
        };
        let told = tokio::select! {
            biased;
            told = within(limit, "acknowledging", telling) => told,
            () = ended(&self.channel) => Err(LinkError::Closed),
        };
        if lost > 0 {
            metrics::acks_lost(lost);
        }
        told
    }
}

/// Waits until the channel has ended. A settlement that meets the end of its connection
/// may stay without an answer in lapin.
async fn ended(channel: &Channel) {
    while channel.status().connected() {
        tokio::time::sleep(CHECK_EVERY).await;
    }
}

/// Settles one delivery; `false` if the broker has taken it back before.
///
/// A return is a nack: on RabbitMQ 4.3 that does not count towards the delivery limit,
/// while a reject does; before, both count.
async fn tell_one(acker: &Acker, disposition: Disposition) -> Result<bool, lapin::Error> {
    match disposition {
        Disposition::Ack => acker.ack(BasicAckOptions { multiple: false }).await,
        Disposition::Requeue => {
            acker.nack(BasicNackOptions { multiple: false, requeue: true }).await
        }
        Disposition::DeadLetter => acker.reject(BasicRejectOptions { requeue: false }).await,
    }
}
