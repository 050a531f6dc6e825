//! The twelve questions that the crates are there for, each with its answer, the check that holds it to a
//! number, and the code to use.

/// A question in a user's words, and its answer.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Its row in the table of questions, from 1.
    pub number: u8,
    /// What it is about, in a few words.
    pub topic: &'static str,
    /// How people ask it.
    pub words: &'static str,
    /// The answer in a sentence or two.
    pub answer: &'static str,
    /// The crate to depend on.
    pub library: &'static str,
    /// The check whose number and picture stand beside the answer.
    pub check: &'static str,
    /// What the check's number is.
    pub measure: &'static str,
    /// The lines to write; each stands in an example of the documentation that runs.
    pub code: &'static [&'static str],
}

/// The questions, in their order.
pub const QUESTIONS: [Question; 12] = [
    Question {
        number: 1,
        topic: "a whole batch at once",
        words: "I can backpropagate one sample; how do I do all observations at once?",
        answer: "Put the samples into the columns of a matrix and do the same with matrices. The gradient of the \
                 batch is the mean of the samples' gradients; full batch, mini-batch and online training differ \
                 in the number of columns alone.",
        library: "nn-core",
        check: "nn-core/digits",
        measure: "share of held-out digits misread after training",
        code: &[
            "let mut trainer = Trainer::new(Adam::new(0.05)?, Batch::Full, 1);",
            "let history = trainer.train(&mut network, &x, &loss, 500, |_| ControlFlow::Continue(()))?;",
        ],
    },
    Question {
        number: 2,
        topic: "to better scores",
        words: "How does the gradient of log-policy move the distribution to better scores?",
        answer: "Each sample pulls the parameters along ∇log π(a), which makes its action more likely, as hard as its \
                 reward is high. The pulls average to the gradient of the expected reward, E[r ∇log π], and one \
                 climbs it in steps: nothing is set to zero.",
        library: "rl-pg",
        check: "rl-pg/ascent",
        measure: "expected reward that is missing to that of the best arm after 1,000 steps",
        code: &[
            "let estimate = score_function(&policy, reward, 32, Baseline::LeaveOneOut, &mut rng)?;",
            "logits += estimate.gradient;",
        ],
    },
    Question {
        number: 3,
        topic: "softmax in the chain",
        words: "Why isn't dSoft equal to 1? What is the chain rule of a two-layer net with softmax?",
        answer: "dSoft is the derivative of the loss by the scores, (p − onehot)/N, softmax and logarithm in one step. \
                 From there dW₂ = dS·Aᵀ, dA = W₂ᵀ·dS, dZ = dA ∘ f′(Z) and dW₁ = dZ·Xᵀ.",
        library: "nn-core",
        check: "nn-core/softmax-chain",
        measure: "worst derivative against its difference quotient, over the largest one",
        code: &["let loss = SoftmaxCrossEntropy::new(&[0], 2)?;"],
    },
    Question {
        number: 4,
        topic: "where filters come from",
        words: "Who chooses the values of the 32 3x3 filters? Will 10 filters contain an edge filter? Is every \
                run different?",
        answer: "Nobody chooses them: they begin at random and are trained like every other weight. Runs from other \
                 seeds learn alike filters in another order, so match them before comparing; and an edge filter \
                 among ten proves nothing, for random ones often contain one.",
        library: "nn-core",
        check: "nn-core/filters",
        measure: "likeness of matched random filters over that of trained ones",
        code: &[
            "let matching = match_filters(&first, &second, Similarity::CosineUpToSign)?;",
            "let worth = filter_importance(&network, 0, &x, &MeanSquaredError::new(&targets)?)?;",
        ],
    },
    Question {
        number: 5,
        topic: "peaks and events",
        words: "Find peaks above a noise floor within a window, with where each curve starts and stops.",
        answer: "find_peaks keeps the tops that meet every condition, SciPy's to the last bit; find_events measures the \
                 noise floor and says where each run above it begins, is highest and ends. Both have a stream.",
        library: "dsp",
        check: "dsp/events",
        measure: "largest error of onset, apex or offset over many bursts (samples)",
        code: &[
            "let beats = find_peaks(&millivolts, &PeakOptions::default().prominence(1.0..).window(201))?;",
            "let events = find_events(&x, &[noise_floor(&x, 0.0)?], &EventOptions::default())?;",
        ],
    },
    Question {
        number: 6,
        topic: "stereo, and middle C",
        words: "Stereo and the FFT: average, complex pair, or per channel? Why is my middle C at 520 Hz?",
        answer: "Per channel, or their mean where one signal is needed; L + iR is two transforms for one and must be taken \
                 apart. An octave is off where the axis has the wrong step, where interleaved frames are read as \
                 one channel, or where |x| was transformed: diagnose_octave says which.",
        library: "dsp",
        check: "dsp/middle-c",
        measure: "error of a real middle C (Hz)",
        code: &[
            "let note = pitch(&spectrum, &PitchOptions::default())?;",
            "let diagnosis = diagnose_octave(&audio, &reading)?;",
        ],
    },
    Question {
        number: 7,
        topic: "a simulator without gradient",
        words: "My loss is a simulator with no gradient: robot arm, ball, trajectory weights.",
        answer: "Estimate dL/dP from values of the simulator, one number per output; from there backpropagation is exact. \
                 Or let a policy try: its score needs no slope of the simulator, and sees the jumps that no \
                 derivative shows.",
        library: "rl-pg",
        check: "rl-pg/robot-learns",
        measure: "share of balls that the robot does not return after 4,500 throws",
        code: &[
            "let found = chain.estimate(&pairs, &network, &seen, &mut simulator, step)?;",
            "optimizer.step(network.parameters_mut(), found.gradient.as_slice());",
        ],
    },
    Question {
        number: 8,
        topic: "an integral over the sphere",
        words: "Integrate p(θ, φ) over the sphere from a grid; each sample is expensive; p changes every time step.",
        answer: "Make spectral weights for the grid once; then every time step is one weighted sum, with an error estimate \
                 from the same samples. Where samples may be chosen, a fraction of them is enough.",
        library: "quad",
        check: "quad/question-grid",
        measure: "relative error on 200 x 400 samples, the worst of several smooth integrands",
        code: &[
            "let rule = SphereRule::on_grid(SolidAngle, &rings, &columns)?;",
            "let total = rule.integrate_samples(&p)?;",
        ],
    },
    Question {
        number: 9,
        topic: "the slope at z or at a",
        words: "Is the activation's derivative taken at z or at a?",
        answer: "At z, always. Where a book writes it with a = f(z), it has rewritten f′(z), as 1 − a² for tanh. For sin there \
                 is no such formula: cos z = ±√(1 − a²), and a has lost the sign.",
        library: "nn-core",
        check: "nn-core/derivative-at-z",
        measure: "worst derivative against its difference quotient, over the largest one",
        code: &["Sin.slope(z)", "Tanh.slope_from_value(Tanh.value(z))"],
    },
    Question {
        number: 10,
        topic: "some mistakes cost less",
        words: "Penalise cat-for-dog less than cat-for-car; what is the backward pass?",
        answer: "The infogain loss, with a row of likenesses for each label, fused with softmax: dx = (S·p − h)/N, S being the \
                 sum of the label's row h. With H = I it is softmax cross-entropy; taken apart it fails where \
                 a probability underflows.",
        library: "nn-core",
        check: "nn-core/infogain",
        measure: "error of the gradient, of logits up to ±150 in single precision",
        code: &[
            "let h = nn_core::similarities_from_distances(&d, 1.0)?;",
            "let loss = Infogain::new(&[0], &h)?;",
        ],
    },
    Question {
        number: 11,
        topic: "which input gives this output?",
        words: "Which input gives this output? N is 10,000 to 100,000; recurrences.",
        answer: "Undo the layers from the last to the first, factored once for many targets, without a matrix where N is \
                 large; where widths rise and fall again, search from a seed. Each answer has its residual, the \
                 error to expect, and the layer at fault where there is no answer.",
        library: "nn-invert",
        check: "cross/which-ball",
        measure: "distance from the ball that a trained robot swung at, over the radius stated",
        code: &[
            "let inverse = LayerwiseInverse::new(&network)?;",
            "let answer = inverse.invert(&target)?;",
            "let found = search(&network, &target, &seed, &options, |_| ControlFlow::Continue(()))?;",
        ],
    },
    Question {
        number: 12,
        topic: "when echoes arrive",
        words: "Time of arrival of radar echoes with MUSIC; the result is still in the frequency domain.",
        answer: "Because the samples were in the time domain. An echo is a tone along frequency: give MUSIC the trace's \
                 transform over that of the pulse, and its axis is delay. Each delay comes with the least error that \
                 the noise allows, the Cramér-Rao bound.",
        library: "dsp",
        check: "dsp/delay-domain",
        measure: "error of two overlapping echoes, over the Cramér-Rao bound",
        code: &["let echoes = delays(&trace, &pulse, dt, &options)?;"],
    },
];
