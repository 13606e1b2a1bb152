"""What the numbers of runs and evaluations are called where people read them."""

from __future__ import annotations

from luoxia.core.language import Text

NAMES = {
    "extractor": Text("features of", "特征提取器"),
    "samples": Text("samples", "样本数"),
    "held_out": Text("held-out pictures", "留出图片数"),
    "training_looked_at": Text("training pictures looked at", "检视的训练图片数"),
    "learned_from_these": Text("the model learned from this very data", "模型正是由此数据训练"),
    "frechet_distance": Text("Fréchet distance (FID)", "Fréchet 距离（FID）"),
    "kid": Text("kernel distance (KID)", "核距离（KID）"),
    "kernel_distance": Text("kernel distance (KID)", "核距离（KID）"),
    "kernel_distance_std": Text("its spread over subsets", "其在子集间的标准差"),
    "precision": Text("precision", "精确率"),
    "recall": Text("recall", "召回率"),
    "density": Text("density", "密度"),
    "coverage": Text("coverage", "覆盖率"),
    "ppl": Text("perceptual path length in W, at ends", "W 中的感知路径长度（端点）"),
    "ppl_full": Text("perceptual path length in W, anywhere", "W 中的感知路径长度（全程）"),
    "psi": Text("truncation ψ", "截断 ψ"),
    "compared": Text("compared", "比较"),
    "samples_with_held_out": Text("samples with held-out pictures", "样本与留出图片"),
    "samples_with_training": Text("samples with training pictures", "样本与训练图片"),
    "training_with_held_out": Text("as many training pictures with held-out ones", "同样多的训练图片与留出图片"),
    "n": Text("pictures of each", "各自张数"),
    "nearer_to_training_than_unseen": Text("share nearer to training than unseen pictures", "比未见图片更接近训练图片的比例"),
    "memorisation_z": Text("nearness to training, z (below -3: copies)", "与训练图片的接近程度 z（低于 -3：抄袭）"),
    "nearer_than_training": Text("samples nearer to a training picture than 99 % of those to each other", "比 99% 的训练图片彼此间更接近某训练图片的样本数"),
    "bits_per_dim": Text("bits per dimension", "每维比特数"),
    "held_out_bits_per_dim": Text("bits per dimension, held out", "每维比特数（留出）"),
    "bits_per_dim_of_independent_pixels": Text("… of independent pixels", "…独立像素"),
    "bits_per_dim_of_gaussian_mixture": Text("… of a mixture of Gaussians", "…高斯混合"),
    "bits_per_dim_of_64_samples": Text("… by the bound of 64 samples", "…64 个样本的界"),
    "classifier_accuracy": Text("a classifier's accuracy on held-out pictures", "分类器对留出图片的准确率"),
    "classifier_sure_of_held_out": Text("held-out pictures that it is sure of", "它有把握的留出图片比例"),
    "classifier_sure_of_samples": Text("samples that it is sure of", "它有把握的样本比例"),
    "classes_in_held_out": Text("classes among held-out pictures", "留出图片中的类别数"),
    "classes_in_samples": Text("classes among samples", "样本中的类别数"),
    "class_as_asked": Text("samples of the class that was asked for", "类别符合要求的样本比例"),
    "active_units": Text("latent dimensions in use", "使用中的潜变量维度"),
    "reconstruction_psnr": Text("reconstructions, dB", "重建 PSNR（dB）"),
    "images_per_second": Text("pictures a second", "每秒图片数"),
    "logit_real": Text("logit of real pictures", "真实图片的 logit"),
    "logit_fake": Text("logit of made pictures", "生成图片的 logit"),
    "sign_real": Text("r_t: real pictures told as real", "r_t：真实图片被判为真的程度"),
    "vital_augment_p": Text("augmentation, p", "增强概率 p"),
    "vital_r_v": Text("r_v: overfitting of the discriminator", "r_v：判别器过拟合"),
    "vital_diversity": Text("diversity of samples over that of real pictures", "样本多样性与真实图片之比"),
    "path_length": Text("path length that is regularised", "被正则的路径长度"),
    "contrastive": Text("contrastive loss", "对比损失"),
    "image_to_text": Text("pictures whose caption is nearest in the batch", "批内最近的描述即为自身的图片比例"),
    "text_to_image": Text("captions whose picture is nearest in the batch", "批内最近的图片即为自身的描述比例"),
    "scale": Text("scale of the similarities", "相似度的缩放"),
    "temperature": Text("temperature", "温度"),
    "mean_recall": Text("mean of all recalls", "各召回率的平均"),
    "zero_shot_accuracy": Text("classes told by their names alone", "仅凭类名的分类准确率"),
    **{
        f"{way}_r{k}{of}": Text(f"{en} in the nearest {k}{en_of}", f"{zh}（前 {k}{zh_of}）")
        for way, en, zh in (
            ("image_to_text", "pictures that find their caption", "由图找到其描述"),
            ("text_to_image", "captions that find their picture", "由描述找到其图"),
        )
        for k in (1, 5)
        for of, en_of, zh_of in (("", "", ""), ("_en", ", English", "，英文"), ("_zh", ", Chinese", "，中文"))
    },
    "nats_per_code": Text("nats per code", "每编码奈特数"),
    "nats_per_code_en": Text("nats per code, told in English", "每编码奈特数（英文描述）"),
    "nats_per_code_zh": Text("nats per code, told in Chinese", "每编码奈特数（中文描述）"),
    "nats_per_code_untold": Text("nats per code, told nothing", "每编码奈特数（无描述）"),
    "nats_per_token": Text("nats per token of captions", "描述每词元奈特数"),
    "nats_that_en_captions_save": Text("nats per code that English captions save", "英文描述节省的每编码奈特数"),
    "nats_that_zh_captions_save": Text("nats per code that Chinese captions save", "中文描述节省的每编码奈特数"),
    "language": Text("language", "语言"),
    "en": Text("English", "英文"),
    "zh": Text("Chinese", "中文"),
    "found": Text("found", "找到"),
    "chance": Text("by lot", "随机"),
    "row": Text("row", "行"),
    "caption": Text("caption", "描述"),
    "codes_used": Text("share of the codes in use", "使用中的编码比例"),
    "perplexity": Text("perplexity of the codes", "编码的困惑度"),
    "perceptual": Text("perceptual distance of reconstructions", "重建的感知距离"),
    "psnr_5": Text("reconstructions, dB, of the worst twentieth", "重建 PSNR（dB），最差的二十分之一"),
    "psnr_50": Text("reconstructions, dB, median", "重建 PSNR（dB），中位数"),
    "vital_codebook_use": Text("codes in use over evenly used ones", "使用中的编码与均匀使用之比"),
    "picture": Text("picture", "图片"),
    "w": Text("W", "W"),
    "w_plus": Text("W+", "W+"),
    "tuned": Text("tuned", "微调后"),
    "psnr": Text("dB", "dB"),
    "distance": Text("perceptual distance", "感知距离"),
    "mean": Text("mean", "平均"),
}  # fmt: skip


def name(key: str, lang: str) -> str:
    """What ``key`` is called; the key itself where it has no name, without what the loop puts before it."""
    plain = key.removeprefix("held_out_") if key not in NAMES else key
    return NAMES[plain].in_(lang) if plain in NAMES else key
