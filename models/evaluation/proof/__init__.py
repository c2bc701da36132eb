"""Does an augmentation help? Arms trained with equal seeds and iterations, measured on one test, judged by one rule.

ratio       n is chosen on val                    → ChosenRatio
resampling  matches of the test, by arm and seed  → average precision of every draw of photos
gain        two arms                              → PairedGain: value, interval, p
holm        p of all arms                         → adjusted p
decision    gains, losses of classes              → Decision: an arm or the incumbent, in words
comparison  runs the four above; null repeats it with shuffled labels of the arms
"""
