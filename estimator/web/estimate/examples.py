"""Ten example questions for a first visit, as links."""

from estimator.web.shared.language import N_

EXAMPLES = (
    (
        N_("Fine-tune Llama 3 8B on my RTX 4090"),
        "preset=llama-3-8b&finetune=qlora&tokens=5e7&hardware=rtx-4090&devices=1"
        "&pay=own&pue=1&site=us&recomputation=full",
    ),
    (N_("GPT-3 on one V100"), "preset=gpt-3&hardware=v100&devices=1&site=us"),
    (
        N_("A 7B model on a laboratory's eight A100"),
        "params=7e9&tokens=1.4e11&hardware=a100-sxm-80&devices=8&site=de&pay=own",
    ),
    (
        N_("Llama 3.1 405B on 16,384 H100"),
        "preset=llama-3.1-405b&hardware=h100-sxm&devices=16384&site=us",
    ),
    (
        N_("DeepSeek-V3, a mixture of experts, in China"),
        "preset=deepseek-v3&hardware=h800-sxm&devices=2048&site=cn",
    ),
    (N_("ResNet-50 on ImageNet, one A100"), "preset=resnet-50&hardware=a100-sxm-80&devices=1"),
    (N_("BERT in France on 16 TPU v4"), "preset=bert-large&hardware=tpu-v4&devices=16&site=fr"),
    (
        N_("1,000 device-hours on A100, already spent"),
        "device_hours=1000&hardware=a100-sxm-80&devices=8&site=se",
    ),
    (N_("A brain's 20 W for GPT-3's work"), "preset=gpt-3&hardware=human-brain&devices=1"),
    (
        N_("1 trillion parameters on 20 trillion tokens, B200"),
        "params=1e12&tokens=2e13&hardware=b200&devices=16384&site=us",
    ),
)
"""Title of an example -> query of its link."""
