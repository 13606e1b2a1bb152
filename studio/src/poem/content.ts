/** Poems and themes to begin with: content, the same in every language of the studio. */
export const THEMES = ['秋水长天', '月夜思乡', '春雨江南', '雪中访梅', '山居'] as const;

export const EXAMPLE_THEME = THEMES[0];

/** To be checked: one by 王之涣 that keeps to its form, then the same with its second line spoiled. */
export const SOUND_POEM = '白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。';
export const POEMS = [
  { title: '登鹳雀楼', text: SOUND_POEM },
  { title: '黄河入海去', text: '白日依山尽，黄河入海去。\n欲穷千里目，更上一层楼。' },
  { title: '早发白帝城', text: '朝辞白帝彩云间，千里江陵一日还。\n两岸猿声啼不住，轻舟已过万重山。' },
] as const;
