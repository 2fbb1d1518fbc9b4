//! The same submission, many times at once, on every producer.

use quhao_tests::{
    config::Mode,
    world::{Knobs, World, phone_job},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_copies_on_two_producers_are_one_job_and_one_exchange() {
    let knobs = Knobs { producers: 2, workers: 2, ..Knobs::default() };
    let mut world = World::with(Mode::Distributed, knobs).await;
    let clients = [world.client(), world.client().at(&world.producers[1].address)];
    for _ in 0..5 {
        let guest = world.guest();
        let job = phone_job(&guest);
        let submits: Vec<_> = (0..4)
            .map(|at| {
                let (client, job) = (clients[at % 2].clone(), job.clone());
                tokio::spawn(async move { client.submit_and_wait(&job, 20).await })
            })
            .collect();
        let mut ids = Vec::new();
        for submit in submits {
            let reply = submit.await.unwrap();
            assert_eq!(reply.status, 200, "{}", reply.text);
            assert_eq!(reply.text_at("/status"), "succeeded", "{}", reply.text);
            assert_eq!(reply.text_at("/result/phone/pure_phone_number"), guest.phone);
            ids.push(reply.text_at("/id").to_owned());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
        assert_eq!(world.simulator.exchanges_of(&guest.code), 1);
    }
    // All copies get settled: nothing is left for anybody.
    world.is_drained().await;
}
