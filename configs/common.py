"""Every key once, with its unit and origin: [paper] arXiv 1801.07632, [ours] our choice.

Not a run: the other configs change lines of this one. `config.schedule` and `config.batch` have a row for each
resolution of the run, so each config writes its own.
"""

from ml_collections import ConfigDict


def row(
    fade_kimg: float,
    stable_kimg: float,
    lr: float,
    lr_end: float | None = None,
    d_terms: float = 1.0,
    lpips: float = 0.0,
    adv: float = 1.0,
    noise: float = 1.0,
    patches: float = 0.0,
) -> ConfigDict:
    """A row of `config.schedule` [ours]: lengths in thousands of images, learning rate, loss weights.

    fade_kimg: length of the fade.
    stable_kimg: length of the stable phase after it.
    lr: learning rate.
    lr_end: the rate at the end of the stable phase, reached along a half cosine; default `lr`.
    d_terms: factor of G's adversarial and attribute loss.
    lpips: weight of LPIPS (Zhang et al. 2018), replaces the feature loss; from 16 px on, with the extra `eval`.
    adv: further factor of the adversarial loss alone.
    noise: factor of `config.d_augment.noise`; lower it where D has to learn fine texture.
    patches: weight, beside 1 for D's own, of the game of D's heads on VGG16's features, which judge every patch of the
        hole (Sauer et al. 2021); from 32 px on, with the extra `eval`.
    """
    config = ConfigDict()
    config.fade_kimg = float(fade_kimg)
    config.stable_kimg = float(stable_kimg)
    config.lr = float(lr)
    config.lr_end = float(lr if lr_end is None else lr_end)
    config.d_terms = float(d_terms)
    config.lpips = float(lpips)
    config.adv = float(adv)
    config.noise = float(noise)
    config.patches = float(patches)
    return config


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    # Weights that initialise a new run: a .safetensors file, the workdir of a run, or the name of shipped ones; "":
    # random ones. They may be of a smaller resolution; `config.schedule` then begins at one that they have.
    config.init_from = ""

    # The final resolution, and which attributes (empty: all that the data has).
    config.resolution_px = 64
    config.attributes = ()

    config.data = ConfigDict()
    config.data.kind = "drawn"  # "drawn": synthetic faces, rendered on the fly; "prepared": what `fec prepare` wrote
    config.data.path = ""  # prepared: its folder
    config.data.train_split = "train"  # prepared
    config.data.validation_split = "validation"  # prepared: for figures and grids while training
    config.data.train_size = 8192  # drawn: number of distinct faces
    config.data.test_size = 256  # drawn: held out, for figures and grids while training
    config.data.seed = 0  # drawn: which faces
    config.data.threads = 2  # batches that are read at the same time
    # Where the photos' eyes are, as shares of the side: their distance, and the point between them, x and y. Stored in
    # weights: `fec complete` aligns photos by it.
    config.data.alignment = ConfigDict({"eyes_apart": 0.24, "eyes_middle": (0.5, 0.45)})

    # Growth [paper: 4 px to the end, fade then stabilise; lengths ours], and images per step over all devices [ours].
    config.schedule = ConfigDict()
    config.batch = ConfigDict()
    config.lr_warmup_kimg = 0.5  # [ours] linear, from the first image of every resolution

    # How a resolution's new layers fade in. "blend" [paper]: they replace the old ones. "add" [ours]: they are added to
    # the old ones, zero-initialised, so that growing does not change the output.
    config.growth = "blend"

    # Widths min(base // resolution, cap) [ours: unpublished].
    config.generator = ConfigDict({"base": 1024, "cap": 128, "latent": 128})
    config.generator.skip = "residual"  # [paper] "residual" with attributes, "concat" for plain inpainting
    # [ours] Components of a linear model of 32 px faces, fitted to the training photos when a run begins: what it makes
    # of the context is an input of G, and blended into its image. Needs growth "add". 0 [paper]: none.
    config.generator.prior = 0
    # [ours] G learns where the face lies, of photos moved on purpose, and first moves it to its usual place, by whole
    # pixels and at most 3/64 of the side; from 64 px on. False [paper]: the alignment is taken as it is.
    config.generator.offset = False
    config.discriminator = ConfigDict({"base": 1024, "cap": 128})
    config.dtype = "float32"  # of the computation; "bfloat16" on accelerators
    # From this resolution on, blocks are rematerialised: activations are recomputed in the backward pass. Less memory,
    # more operations, the same results. 0: none.
    config.remat_min_px = 0

    config.loss = ConfigDict()
    config.loss.adv = 1.0  # [paper]
    config.loss.attr = 2.0  # [paper]
    # [paper: 1] factor of `attr` where D learns. A large `attr` with 1 leaves D blind to what is fake.
    config.loss.d_attr = 1.0
    config.loss.rec = 500.0  # [paper]
    config.loss.feat = 10.0  # [paper]
    config.loss.bdy = 5000.0  # [paper]
    config.loss.rec_alpha = 0.7  # [paper] weight of the hole in the reconstruction loss
    # [ours] How far from the seam the boundary loss reaches, as a share of the side; 0 [paper]: 4 px at every size.
    config.loss.rim = 0.0
    config.loss.rec_on_flipped = 1.0  # [paper] 1: the same for flipped attributes; less, down to 0, is ours
    # [ours] For flipped attributes, the target of reconstruction, feature and boundary loss is the photo plus so many
    # times the attribute's direction (its effect on the average face). 0 [paper]: the photo itself.
    config.loss.flip_shift = 0.0
    config.loss.flip_shift_of = ()  # [ours] (("Smiling", 2.0), ...): values for single attributes
    # [ours] In the place of the photo, then, another training photo: the most alike, by context and attributes, of
    # those that have what is wanted.
    config.loss.flip_to_face = False
    config.loss.adversarial = "nonsaturating"  # [ours]; "minimax" [paper]
    config.loss.d_sees = "fake"  # [paper] G's whole image; "completed" [ours]: hole pasted into the photo
    config.loss.feat_sees = "fake"  # [paper] G's whole image, or [ours] the "completed" one
    # [ours] Share of the batch that the feature loss sees, 1, 1/2, 1/3 ...; less is cheaper.
    config.loss.feat_share = 1.0
    # [ours] Of larger images, the feature loss sees one random square window of this side: cheaper. 0: the whole image.
    config.loss.feat_px = 0
    config.loss.feat_pooled = 0.0  # [ours] weight of the same image pooled to this side, beside 1 for the window
    config.loss.feature_min_px = 16  # [ours] no feature loss below: VGG16 was not trained on such sizes
    # [ours] weight of D's gradient penalty at photos, per pixel: gamma = r1_gamma * resolution^2 (about 2e-4 / batch in
    # Karras et al. 2020). 0: none.
    config.loss.r1_gamma = 0.0
    config.loss.r1_attr = 0.0  # [ours] weight of the attribute logits in the penalty, beside 1 for real/fake
    config.loss.r1_every = 8  # [ours] steps between penalties; each is multiplied by this number

    # Adam [ours]. Without momentum (Karras et al. 2018) G learned much slower here: most of its gradient is regression.
    config.g_adam = ConfigDict({"b1": 0.9, "b2": 0.99, "eps": 1e-8})
    config.d_adam = ConfigDict({"b1": 0.5, "b2": 0.99, "eps": 1e-8})
    # [ours] "muon": of G's convolutions, with g_adam.b1 as momentum (experiments/portraits128).
    config.g_optimizer = "adam"
    config.d_lr_factor = 1.0  # D's learning rate, in units of G's
    # [ours; Karras et al. 2020] Without `init_from`, at most 5 % of the images seen so far.
    config.ema = ConfigDict({"halflife_kimg": 10.0})

    # Masks [paper: rectangle with thresholded noise; the numbers are ours]. Sides in shares of the image's.
    config.mask = ConfigDict({"min_side": 0.3, "max_side": 0.75, "cells": 4, "threshold": 0.35})
    config.mask.update({"center_share": 0.0, "wide_share": 0.0})  # centre squares of 1/2 and 3/4 of the side instead
    # [ours] Brush strokes and boxes anywhere instead, their area uniform between these shares of the image.
    config.mask.update({"stroke_share": 0.0, "box_share": 0.0, "min_area": 0.05, "max_area": 0.6})
    config.keep_probability = 0.5  # [paper] probability of no edit; else one attribute is flipped,
    config.most_flips = 1  # [paper] or one to so many at once [ours]

    config.augment = ConfigDict({"mirror": True, "color": 0.0, "shift": 0.0, "scale": 0.0})  # [ours] of the photos
    # [ours; Zhao et al. 2020] of all images that D sees
    config.d_augment = ConfigDict({"color": 0.0, "shift": 0.0, "noise": 0.0, "clean": 0.0, "cutout": 0.0})
    # [paper: a buffer; its size ours] depth: earlier completions per batch position; share: how often D sees one.
    config.history = ConfigDict({"depth": 8, "share": 0.5})

    config.parallel = "shard_map"  # or "pmap": the same function, the same results

    # How often, in thousands of images; 0: never. In addition, at the borders of growth phases.
    config.every = ConfigDict({"log_kimg": 1.0, "checkpoint_kimg": 10.0, "grid_kimg": 10.0, "eval_kimg": 10.0})
    config.every.checkpoint_minutes = 0.0  # checkpoints by wall-clock time, in addition
    config.keep_checkpoints = 2  # newest ones, in addition to those at the borders
    config.grid_images = 8
    config.eval_images = 64  # held-out photos to evaluate while training; 0: all
    # Mask sets of `fec evaluate` (center, paper, lama-thick ...) to evaluate with as well, from 16 px on.
    config.eval_masks = ()
    # A step whose losses or gradients are not finite is skipped. After so many in a row the run rolls back to the last
    # checkpoint; after so many rollbacks without progress it gives up.
    config.max_skipped = 10
    config.max_rollbacks = 5
    return config
